/* SPDX-License-Identifier: MIT
 *
 * wild - an extension module that misuses memory of Python's mem domain and of malloc, and objects,
 * for t/python/guard.sh.
 */
#include <Python.h>

static char *volatile block;
static volatile char byte;

/* make(size, raw): raw, by malloc */
static PyObject *make(PyObject *self, PyObject *args)
{
	Py_ssize_t size;
	int raw;

	(void)self;
	if (!PyArg_ParseTuple(args, "np", &size, &raw))
		return NULL;
	block = raw ? malloc((size_t)size) : PyMem_Malloc((size_t)size);
	Py_RETURN_NONE;
}

static PyObject *drop(PyObject *self, PyObject *raw)
{
	(void)self;
	if (PyObject_IsTrue(raw))
		free(block);
	else
		PyMem_Free(block);
	Py_RETURN_NONE;
}

/* ---- objects --------------------------------------------------------------------------------- */

enum { SIZE = 96, PRE_HEADER = 16 };

/* Without the collector; with it; and with what free-threaded builds have before the object. */
static PyTypeObject *types[3];

static PyObject *references(PyObject *self)
{
	return *(PyObject **)((char *)self + SIZE - sizeof(PyObject *));
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(references(self));
	return 0;
}

static int clear(PyObject *self)
{
	Py_CLEAR(*(PyObject **)((char *)self + SIZE - sizeof(PyObject *)));
	return 0;
}

static void dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	if (PyType_IS_GC(type)) {
		PyObject_GC_UnTrack(self);
		clear(self);
	}
	type->tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot plain_slots[] = { { Py_tp_dealloc, dealloc }, { 0, NULL } };
static PyType_Slot collected_slots[] = { { Py_tp_dealloc, dealloc },
	                                 { Py_tp_traverse, traverse },
	                                 { Py_tp_clear, clear },
	                                 { 0, NULL } };

#ifndef Py_TPFLAGS_MANAGED_WEAKREF
#define Py_TPFLAGS_MANAGED_WEAKREF 0
#endif

static int make_types(void)
{
	static PyType_Spec specs[] = {
		{ "wild.Plain", SIZE, 0, Py_TPFLAGS_DEFAULT, plain_slots },
		{ "wild.Collected", SIZE, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
		  collected_slots },
		{ "wild.Weak", SIZE, 0,
		  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MANAGED_WEAKREF,
		  collected_slots },
	};

	for (int i = 0; i < 3; i++)
		if (!(types[i] = (PyTypeObject *)PyType_FromSpec(&specs[i])))
			return -1;
	return 0;
}

/* create(kind): the block is the object's, with its pre-header */
static PyObject *create(PyObject *self, PyObject *kind)
{
	long n = PyLong_AsLong(kind);
	PyObject *object = PyType_GenericAlloc(types[n], 0);

	(void)self;
	block = (char *)object - (n == 2 ? PRE_HEADER : 0);
	return object;
}

/* hold(object, other): the object refers to the other one */
static PyObject *hold(PyObject *self, PyObject *args)
{
	PyObject *object, *other;

	(void)self;
	if (!PyArg_ParseTuple(args, "OO", &object, &other))
		return NULL;
	*(PyObject **)((char *)object + SIZE - sizeof(PyObject *)) = Py_NewRef(other);
	Py_RETURN_NONE;
}

/* release(box): the last reference is in a list.  In a free-threaded build a reader without a lock
 * may look at the object then, as long as its thread has not gone on. */
static PyObject *release(PyObject *self, PyObject *box)
{
	(void)self;
	if (PyList_SetSlice(box, 0, 1, NULL) < 0)
		return NULL;
#ifdef Py_GIL_DISABLED
	for (int i = 0; i < SIZE; i++)
		byte = block[i];
#endif
	Py_RETURN_NONE;
}

/* ---- both ------------------------------------------------------------------------------------ */

static PyObject *put(PyObject *self, PyObject *offset)
{
	(void)self;
	block[PyLong_AsSsize_t(offset)] = 1;
	Py_RETURN_NONE;
}

static PyObject *get(PyObject *self, PyObject *offset)
{
	(void)self;
	byte = block[PyLong_AsSsize_t(offset)];
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "make", make, METH_VARARGS, NULL }, { "drop", drop, METH_O, NULL },
	{ "put", put, METH_O, NULL },         { "get", get, METH_O, NULL },
	{ "create", create, METH_O, NULL },   { "hold", hold, METH_VARARGS, NULL },
	{ "release", release, METH_O, NULL }, { NULL, NULL, 0, NULL },
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
	{ Py_mod_gil, Py_MOD_GIL_NOT_USED },
#endif
	{ 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "wild",
	.m_methods = methods,
	.m_slots = slots,
};

PyMODINIT_FUNC PyInit_wild(void)
{
	return make_types() < 0 ? NULL : PyModuleDef_Init(&module);
}
