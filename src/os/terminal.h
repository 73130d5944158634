/* Terminals. */
#ifndef KITH_SRC_OS_TERMINAL_H
#define KITH_SRC_OS_TERMINAL_H

/** How wide the terminal behind a descriptor is. @return its columns, 80 when it does not know; 0: it is no terminal */
int os_terminal_width(int descriptor);

#endif
