/* SPDX-License-Identifier: MIT
 *
 * module.h - a program or library in this process, as the dynamic linker has loaded it, and what it
 * takes from others.
 *
 * By dl_iterate_phdr, which every C library has, and the tables of the ELF file in memory.
 */
#ifndef ARN_PYTHON_MODULE_H
#define ARN_PYTHON_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct module {
	uintptr_t base;      /* what the linker has added to its addresses */
	const void *dynamic; /* its table of ElfW(Dyn); NULL: it is linked statically */
};

/* The module that has something at this address; false: none. */
bool module_of(struct module *module, const void *address);
/* Is all from one address to the other data of one module? */
bool module_has_data(const void *from, const void *to);
/* Does it use a symbol of this name, which another module has? */
bool module_imports(const struct module *module, const char *name);

#endif
