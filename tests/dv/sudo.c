/* sudo of the simulator's image: it asks nobody. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int at = 1;

	while (at < argc && argv[at][0] == '-' && strcmp(argv[at], "--") != 0)
		at++;
	if (at < argc && !strcmp(argv[at], "--"))
		at++;
	if (at >= argc || setgid(0) || setuid(0)) {
		fputs("sudo: no\n", stderr);
		return 1;
	}
	execvp(argv[at], argv + at);
	perror(argv[at]);
	return 127;
}
