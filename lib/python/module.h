/* SPDX-License-Identifier: MIT
 *
 * module.h - a program or library in this process, as the dynamic linker has loaded it, and the
 * symbols that it takes from others.
 *
 * It is read by dl_iterate_phdr, which every C library has, and from the tables of the ELF file in
 * memory.  Any thread may call these functions.
 */
#ifndef ARN_PYTHON_MODULE_H
#define ARN_PYTHON_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct module {
	uintptr_t base;      /* what the linker has added to its addresses */
	const void *dynamic; /* its table of ElfW(Dyn); NULL: it is linked statically */
};

/* The module to which this address belongs; false: it belongs to none. */
bool module_of(struct module *module, const void *address);
/* Is everything between the two addresses writable data of one module? */
bool module_has_data(const void *from, const void *to);
/* Does the module use a symbol of this name that another module has? */
bool module_imports(const struct module *module, const char *name);

#endif
