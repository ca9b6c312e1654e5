#include "fs/base/library.h"

#include <dlfcn.h>
#include <string.h>

int library_load(const char *soname, const char *const *names, size_t count,
		 void *calls, struct err *err)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return err_set(err, -ENOENT, "%s", dlerror());
	for (size_t i = 0; i < count; i++) {
		void *found = dlsym(library, names[i]);

		if (!found) {
			dlclose(library);
			return err_set(err, -ENOENT, "%s has no %s", soname,
				       names[i]);
		}
		memcpy((char *)calls + i * sizeof(found), &found,
		       sizeof(found));
	}
	return 0;
}
