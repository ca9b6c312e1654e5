/*
 * kubectl of the simulator: hands its words and its descriptors to server.py at
 * $KUBE.socket, and ends as that says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(98);
}

static void send_words(int fd, int argc, char **argv)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = { .room = { 0 } };
	int std[3] = { 0, 1, 2 };
	size_t len = 1, at = 0;
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	char *text;

	for (int i = 1; i < argc; i++)
		len += strlen(argv[i]) + 1;
	text = calloc(1, len);
	if (!text)
		fail("calloc");
	for (int i = 1; i < argc; i++) {
		memcpy(text + at, argv[i], strlen(argv[i]) + 1);
		at += strlen(argv[i]) + 1;
	}
	control.head.cmsg_len = CMSG_LEN(sizeof(std));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control.head), std, sizeof(std));
	part.iov_base = text;
	part.iov_len = len;
	if (sendmsg(fd, &message, 0) != (ssize_t)len)
		fail("sendmsg");
	free(text);
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *kube = getenv("KUBE");
	unsigned char status;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%.90s.socket",
		 kube ? kube : "");
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail(to.sun_path);
	send_words(fd, argc, argv);
	if (read(fd, &status, 1) != 1)
		fail("no answer");
	return status;
}
