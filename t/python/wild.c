/* SPDX-License-Identifier: MIT
 *
 * wild - an extension module that misuses memory of Python's mem domain and of malloc, for
 * t/python/guard.sh.
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
	{ "make", make, METH_VARARGS, NULL },
	{ "drop", drop, METH_O, NULL },
	{ "put", put, METH_O, NULL },
	{ "get", get, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
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
	return PyModuleDef_Init(&module);
}
