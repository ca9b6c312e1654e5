#include "tools/tokens.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "tools/tool.h"

#define TOKENS_MAX (1u << 20)	/* bytes of the file */

static int read_all(const char *path, struct buf *bytes, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot read '%s'", path);
	if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		warn("'%s' holds tokens, and others may read it (mode %04o)",
		     path, st.st_mode & 07777);
	while (n > 0) {
		if (bytes->len > TOKENS_MAX)
			return err_set(err, -E2BIG, "'%s' is too long", path);
		if (buf_reserve(bytes, 4096) < 0)
			return err_nomem(err);
		n = read(fd, bytes->data + bytes->len, 4096);
		if (n < 0 && errno != EINTR)
			return err_sys(err, "cannot read '%s'", path);
		if (n < 0)
			n = 1;
		else
			bytes->len += (size_t)n;
	}
	return 0;
}

int tokens_each(const char *path,
		int (*each)(void *arg, const char *endpoint, const char *token,
			    struct err *err),
		void *arg, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	char *save = NULL, *line;
	int r = read_all(path, &bytes, err);

	if (r == 0 && !buf_str(&bytes))
		r = err_nomem(err);
	line = r == 0 ? strtok_r((char *)bytes.data, "\n", &save) : NULL;
	for (; r == 0 && line; line = strtok_r(NULL, "\n", &save)) {
		char *within = NULL;
		char *endpoint = strtok_r(line, " \t\r", &within);
		char *token = strtok_r(NULL, " \t\r", &within);

		if (endpoint && endpoint[0] != '#' && token)
			r = each(arg, endpoint, token, err);
	}
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.cap);
	return r;
}

struct finding {
	const char *endpoint;
	char *token;
};

static int take(void *arg, const char *endpoint, const char *token,
		struct err *err)
{
	struct finding *f = arg;

	if (f->token || strcmp(endpoint, f->endpoint) != 0)
		return 0;
	f->token = strdup(token);
	return f->token ? 0 : err_nomem(err);
}

int token_find(const char *path, const char *endpoint, char **ret,
	       struct err *err)
{
	struct finding f = { .endpoint = endpoint };
	const char *common = getenv(TOKEN_ENV);
	int r = path ? tokens_each(path, take, &f, err) : 0;

	if (r == 0 && !f.token && common && *common) {
		f.token = strdup(common);
		if (!f.token)
			r = err_nomem(err);
	}
	if (r == 0 && !f.token) {
		err_set(err, -ENOKEY, "no API token of '%s' is known%s%s",
			endpoint, path ? ": it is not in " : "",
			path ? path : "");
		r = err_hint(err, "--tokens FILE with a line '%s TOKEN', or "
			     TOKEN_ENV " in the environment", endpoint);
	}
	if (r < 0) {
		token_wipe(f.token);
		return r;
	}
	*ret = f.token;
	return 0;
}

void token_wipe(char *token)
{
	if (token)
		explicit_bzero(token, strlen(token));
	free(token);
}
