/* SPDX-License-Identifier: MIT
 *
 * top-screen.c - `arenite top` on the whole terminal, by ncurses.
 */
#include "cli/top.h"

#ifdef HAVE_NCURSES
#define NCURSES_WIDECHAR 1
#include <ncurses.h>

static void show(size_t n)
{
	char text[512];

	erase();
	attron(A_REVERSE);
	top_head(text, sizeof(text));
	mvaddnstr(0, 0, text, -1);
	attroff(A_REVERSE);
	for (size_t i = 0; i < n && (int)i + 1 < LINES; i++) {
		top_text(text, sizeof(text), top_line(i));
		mvaddnstr((int)i + 1, 0, text, -1);
	}
	refresh();
}

bool top_screen(pid_t pid, double seconds, unsigned long long count)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	size_t n = 1;
	int key = 0;

	if (!screen)
		return false;
	cbreak();
	noecho();
	curs_set(0);
	for (unsigned long long i = 0; (count == 0 || i < count) && key != 'q'; i++) {
		n = top_look(pid, i > 0 ? seconds : 0);
		if (n == 0 && pid)
			break;
		show(n);
		timeout((int)(seconds * 1000));
		key = getch();
	}
	endwin();
	delscreen(screen);
	return true;
}
#else
bool top_screen(pid_t pid, double seconds, unsigned long long count)
{
	(void)pid, (void)seconds, (void)count;
	return false;
}
#endif
