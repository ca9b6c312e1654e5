#include "tools/rest_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "tools/tool.h"

#define TRIES 5
#define WAIT_MAX_S 60		/* at most, whatever it says */
#define CONNECT_S 15
#define SESSION_HEADER "x-auth-token"

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
	struct rest *rest = arg;
	size_t len = size * count;

	if (rest->body.len + len > REST_PAGE_MAX) {
		rest->too_long = true;
		return 0;
	}
	buf_append(&rest->body, data, len);
	return rest->body.failed ? 0 : len;
}

/* "Name: value\r\n" */
static bool header_is(const char *line, size_t len, const char *name,
		      char value[REST_VALUE_MAX])
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return false;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (unsigned char)line[len - 1] <= ' ')
		len--;
	if (len >= REST_VALUE_MAX)
		return false;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	struct rest *rest = arg;
	size_t len = size * count;
	char value[REST_VALUE_MAX];

	if (header_is(data, len, "x-next-token", value))
		memcpy(rest->next, value, sizeof(value));
	else if (header_is(data, len, SESSION_HEADER, value))
		memcpy(rest->fresh, value, sizeof(value));
	else if (header_is(data, len, "retry-after", value))
		rest->retry_after_s = strtol(value, NULL, 10);
	explicit_bzero(value, sizeof(value));
	return len;
}

static bool is_stopped(const struct rest *rest)
{
	const bool *past = rest->options.past_stop;

	return stopped && !(past && *past);
}

static int give_up(void *arg, curl_off_t a, curl_off_t b, curl_off_t c,
		   curl_off_t d)
{
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return is_stopped(arg);
}

static const char *const methods[] = {
	[REST_GET] = "GET", [REST_POST] = "POST", [REST_PATCH] = "PATCH",
	[REST_DELETE] = "DELETE",
};

const char *rest_verb_name(enum rest_verb verb)
{
	return methods[verb];
}

static void set_method(struct rest *rest, const struct rest_request *request)
{
	const struct curl_calls *lib = rest->lib;

	if (request->verb == REST_GET)
		return;
	/* this also makes it a POST; the length is of binary data */
	lib->setopt(rest->curl, CURLOPT_POSTFIELDSIZE,
		    (long)request->body.len);
	lib->setopt(rest->curl, CURLOPT_POSTFIELDS, request->body.len ?
		    (const char *)request->body.data : "");
	/* on a connection that is found dead libcurl would send it again */
	lib->setopt(rest->curl, CURLOPT_FRESH_CONNECT, 1L);
	if (request->verb != REST_POST)
		lib->setopt(rest->curl, CURLOPT_CUSTOMREQUEST,
			    methods[request->verb]);
}

static int set_up(struct rest *rest, const struct rest_request *request,
		  struct curl_slist *headers, struct err *err)
{
	const struct rest_options *o = &rest->options;
	const struct curl_calls *lib = rest->lib;
	CURL *c = rest->curl;
	CURLcode r;

	lib->reset(c);
	r = lib->setopt(c, CURLOPT_URL, request->url);
	if (r == CURLE_OK)
		r = lib->setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	if (r == CURLE_OK)
		r = lib->setopt(c, CURLOPT_SSLVERSION,
				     (long)CURL_SSLVERSION_TLSv1_2);
	if (r == CURLE_OK)
		r = lib->setopt(c, CURLOPT_SSL_VERIFYPEER,
				     o->insecure ? 0L : 1L);
	if (r == CURLE_OK)
		r = lib->setopt(c, CURLOPT_SSL_VERIFYHOST,
				     o->insecure ? 0L : 2L);
	if (r == CURLE_OK && o->ca_file)
		r = lib->setopt(c, CURLOPT_CAINFO, o->ca_file);
	if (r != CURLE_OK)
		return err_set(err, -EIO, "libcurl cannot do it: %s",
			       lib->strerror(r));
	/* no redirection, proxy of the environment's user, or .netrc */
	lib->setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	lib->setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	lib->setopt(c, CURLOPT_NOSIGNAL, 1L);
	lib->setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	lib->setopt(c, CURLOPT_TIMEOUT, (long)o->timeout_s);
	lib->setopt(c, CURLOPT_ERRORBUFFER, rest->words);
	lib->setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	lib->setopt(c, CURLOPT_WRITEDATA, rest);
	lib->setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	lib->setopt(c, CURLOPT_HEADERDATA, rest);
	lib->setopt(c, CURLOPT_NOPROGRESS, 0L);
	lib->setopt(c, CURLOPT_XFERINFOFUNCTION, give_up);
	lib->setopt(c, CURLOPT_XFERINFODATA, rest);
	lib->setopt(c, CURLOPT_HTTPHEADER, headers);
	lib->setopt(c, CURLOPT_USERAGENT, "varve/" VARVE_VERSION);
	set_method(rest, request);
	return 0;
}

/* One request.  0: there is an answer, of whatever status. */
static int once(struct rest *rest, const struct rest_request *request,
		struct curl_slist *headers, struct err *err)
{
	CURLcode r;
	int set;

	buf_clear(&rest->body);
	rest->status = 0;
	rest->next[0] = rest->fresh[0] = rest->words[0] = '\0';
	rest->retry_after_s = -1;
	rest->too_long = rest->unsent = false;
	set = set_up(rest, request, headers, err);
	if (set < 0)
		return set;
	r = rest->lib->perform(rest->curl);
	if (rest->body.failed)
		return err_nomem(err);
	if (rest->too_long)
		return err_set(err, -E2BIG, "an answer is longer than %u MiB",
			       REST_PAGE_MAX >> 20);
	rest->unsent = r == CURLE_COULDNT_RESOLVE_HOST ||
		       r == CURLE_COULDNT_CONNECT ||
		       r == CURLE_SSL_CONNECT_ERROR ||
		       r == CURLE_PEER_FAILED_VERIFICATION;
	if (r == CURLE_ABORTED_BY_CALLBACK && is_stopped(rest))
		return err_set(err, -ECANCELED, "stopped");
	if (r == CURLE_PEER_FAILED_VERIFICATION)
		return err_set(err, -EACCES, "its certificate cannot be "
			       "verified, --ca-file names who signed it: %s",
			       rest->words[0] ? rest->words :
			       rest->lib->strerror(r));
	if (r != CURLE_OK)
		return err_set(err, r == CURLE_OPERATION_TIMEDOUT ?
			       -ETIMEDOUT : -EIO, "%s", rest->words[0] ?
			       rest->words : rest->lib->strerror(r));
	rest->lib->getinfo(rest->curl, CURLINFO_RESPONSE_CODE, &rest->status);
	return 0;
}

static int pause_for(const struct rest *rest, int attempt, struct err *err)
{
	int64_t seconds = rest->retry_after_s >= 0 ? rest->retry_after_s :
		1 << attempt;
	struct timespec nap = { .tv_nsec = 100 * 1000000 };

	if (seconds > WAIT_MAX_S)
		seconds = WAIT_MAX_S;
	for (int64_t i = 0; i < seconds * 10; i++) {
		if (is_stopped(rest))
			return err_set(err, -ECANCELED, "stopped");
		nanosleep(&nap, NULL);
	}
	return 0;
}

/* Again where the array says that it is busy. */
static int patiently(struct rest *rest, const struct rest_request *request,
		     struct curl_slist *headers, struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < TRIES; i++) {
		r = once(rest, request, headers, err);
		if (r < 0 || (rest->status != 429 && rest->status != 503) ||
		    i + 1 == TRIES)
			return r;
		r = pause_for(rest, i, err);
	}
	return r;
}

/* What it says of an error; or what its status is. */
int rest_fail(const struct rest *rest, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *first = NULL;
	struct span message, context;
	int code = rest->status == 401 || rest->status == 403 ? -EACCES :
		rest->status == 404 ? -ENOENT : -EIO;

	if (jdoc_parse(buf_span(&rest->body), "an answer", &doc, NULL) == 0)
		first = jnode_get(doc.root, "errors");
	first = first && first->type == JTYPE_ARRAY ? first->child : NULL;
	message = jnode_text(first, "message");
	context = jnode_text(first, "context");
	if (!message.data)
		return err_set(err, code, "it answers with status %ld",
			       rest->status);
	return err_set(err, code, "it answers with status %ld: %.*s%s%.*s",
		       rest->status, (int)(message.len < 400 ? message.len :
		       400), (const char *)message.data, context.len ?
		       " of " : "", (int)(context.len < 200 ? context.len :
		       200), context.len ? (const char *)context.data : "");
}

/* Version and session. */

static int number_behind(struct span text, unsigned *ret)
{
	unsigned value = 0;

	if (text.len < 3 || text.len > 6 || memcmp(text.data, "2.", 2) != 0)
		return -1;
	for (size_t i = 2; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		value = value * 10 + (text.data[i] - '0');
	}
	*ret = value;
	return 0;
}

static int negotiate(struct rest *rest, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf url = BUF_INIT;
	struct rest_request request = { .verb = REST_GET };
	const struct jnode *one;
	unsigned best = 0;
	bool some = false;
	int r;

	buf_printf(&url, "%s/api/api_version", rest->base);
	if (!buf_str(&url))
		return err_nomem(err);
	request.url = buf_str(&url);
	r = patiently(rest, &request, NULL, err);
	if (r == 0 && rest->status != 200)
		r = rest_fail(rest, err);
	if (r == 0)
		r = jdoc_parse(buf_span(&rest->body), "its list of versions",
			       &doc, err);
	if (r < 0)
		return r;
	/* one array says it in this way, the other in that */
	one = jnode_get(doc.root, "version");
	if (!one)
		one = jnode_get(doc.root, "versions");
	for (one = one ? one->child : NULL; one; one = one->next) {
		unsigned minor;

		if (one->type != JTYPE_STRING ||
		    number_behind(one->text, &minor) < 0)
			continue;
		some = true;
		best = minor > best ? minor : best;
	}
	if (!some)
		return err_set(err, -ENOTSUP, "it serves no version 2 of its "
			       "REST interface");
	snprintf(rest->version, sizeof(rest->version), "2.%u", best);
	return 0;
}

static int log_in(struct rest *rest, struct err *err)
{
	OWNED_BUF struct buf url = BUF_INIT, header = BUF_INIT;
	struct rest_request request = { .verb = REST_POST };
	struct curl_slist *headers;
	int r;

	if (rest->options.type == REST_FLASHARRAY)
		buf_printf(&url, "%s/api/%s/login", rest->base,
			   rest->version);
	else
		buf_printf(&url, "%s/api/login", rest->base);
	buf_printf(&header, "api-token: %s", rest->token);
	if (!buf_str(&url) || !buf_str(&header))
		return err_nomem(err);
	request.url = buf_str(&url);
	headers = rest->lib->slist_append(NULL, buf_str(&header));
	r = headers ? patiently(rest, &request, headers, err) :
		err_nomem(err);
	explicit_bzero(header.data, header.len);
	if (headers)
		explicit_bzero(headers->data, strlen(headers->data));
	rest->lib->slist_free_all(headers);
	if (r < 0)
		return r;
	if (rest->status == 200 && rest->fresh[0]) {
		memcpy(rest->session, rest->fresh, sizeof(rest->session));
		return 0;
	}
	r = rest->status == 200 ? err_set(err, -EIO, "it gives no session") :
		rest_fail(rest, err);
	err_wrap(err, "it does not let the API token in");
	return r;
}

static int with_session(struct rest *rest, const struct rest_request *request,
			struct err *err)
{
	OWNED_BUF struct buf header = BUF_INIT;
	struct curl_slist *headers, *more;
	int r;

	buf_printf(&header, SESSION_HEADER ": %s", rest->session);
	if (!buf_str(&header))
		return err_nomem(err);
	headers = rest->lib->slist_append(NULL, buf_str(&header));
	more = headers && request->body.len ? rest->lib->slist_append(headers,
		"Content-Type: application/json") : headers;
	r = more ? patiently(rest, request, headers, err) : err_nomem(err);
	explicit_bzero(header.data, header.len);
	rest->lib->slist_free_all(headers);
	return r;
}

/* A session that has ended is begun once more: what was refused for that was
 * not done. */
int rest_ask(struct rest *rest, const struct rest_request *request,
	     struct err *err)
{
	int r = with_session(rest, request, err);

	if (r < 0 || rest->status != 401)
		return r;
	r = log_in(rest, err);
	return r < 0 ? r : with_session(rest, request, err);
}

static char *base_of(const char *endpoint)
{
	char *base;
	size_t len;

	if (!strncasecmp(endpoint, "https://", 8))
		endpoint += 8;
	len = strlen(endpoint);
	while (len > 0 && endpoint[len - 1] == '/')
		len--;
	return asprintf(&base, "https://%.*s", (int)len, endpoint) < 0 ?
		NULL : base;
}

static int start(struct rest *rest, struct err *err)
{
	int r;

	if (strpbrk(rest->token, "\r\n") || strpbrk(rest->base + 8, "@ \t\r\n"
						    "?#"))
		return err_set(err, -EINVAL, "its token or endpoint is no "
			       "such");
	r = negotiate(rest, err);
	return r < 0 ? r : log_in(rest, err);
}

int rest_open(const struct rest_options *options, struct rest **ret,
	      struct err *err)
{
	const struct curl_calls *lib;
	int r = curl_load(&lib, err);
	struct rest *rest;

	if (r < 0)
		return r;
	rest = calloc(1, sizeof(*rest));
	if (!rest)
		return err_nomem(err);
	rest->lib = lib;
	rest->options = *options;
	if (!rest->options.limit)
		rest->options.limit = REST_LIMIT;
	rest->curl = lib->init();
	rest->base = base_of(options->endpoint);
	rest->token = strdup(options->token);
	r = rest->curl && rest->base && rest->token ? start(rest, err) :
		err_nomem(err);
	if (r < 0) {
		rest_close(rest);
		return r;
	}
	*ret = rest;
	return 0;
}

static void log_out(struct rest *rest)
{
	OWNED_BUF struct buf url = BUF_INIT;
	struct rest_request request = { .verb = REST_POST };

	if (!rest->session[0] || is_stopped(rest))
		return;
	if (rest->options.type == REST_FLASHARRAY)
		buf_printf(&url, "%s/api/%s/logout", rest->base,
			   rest->version);
	else
		buf_printf(&url, "%s/api/logout", rest->base);
	/* it ends by itself, too */
	request.url = buf_str(&url);
	if (request.url)
		with_session(rest, &request, NULL);
}

void rest_close(struct rest *rest)
{
	if (!rest)
		return;
	if (rest->curl) {
		log_out(rest);
		rest->lib->cleanup(rest->curl);
	}
	if (rest->token)
		explicit_bzero(rest->token, strlen(rest->token));
	explicit_bzero(rest->session, sizeof(rest->session));
	explicit_bzero(rest->fresh, sizeof(rest->fresh));
	free(rest->token);
	free(rest->base);
	buf_release(&rest->body);
	free(rest);
}

const char *rest_version(const struct rest *rest)
{
	return rest->version;
}

struct span rest_session(const struct rest *rest)
{
	return span_str(rest->session);
}
