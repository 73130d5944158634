/* What a service manager and a service say to each other, as systemd does: sd_listen_fds(3), sd_notify(3). */
#ifndef KITH_CLI_SERVICE_H
#define KITH_CLI_SERVICE_H

/** The sockets that were handed over by the service manager, which begin at descriptor 3.
 *  @return how many; 0 when there are none, or they were meant for another process */
int service_sockets(void);

enum { SERVICE_FIRST_SOCKET = 3 };

/** Tells the service manager, if there is one that wants to know. @param news  "READY=1", "STOPPING=1" */
void service_tell(const char *news);

#endif
