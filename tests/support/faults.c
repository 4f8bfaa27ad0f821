/* Preloaded: lets a process meet a failing disk, or a kill, at one of its changes to files below a folder.

   FAULT_IN: the folder.  FAULT: what happens, and at which change, counted from 1:
   error:N  write N fails (EIO), later ones do not       full:N  write N and all later ones fail (ENOSPC)
   kill:N   killed before change N                       torn:N  killed in the middle of change N
   count:0  nothing; at the end the number of changes is in the file FAULT_COUNT */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long changes;

static int below(const char *path) {
    const char *folder = getenv("FAULT_IN");
    char here[4096] = "";
    if (!folder) return 0;
    if (path[0] != '/' && getcwd(here, sizeof here)) path = here;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int watched(int fd) {
    char name[64], path[4096];
    struct stat about;
    if (!getenv("FAULT_IN") || fstat(fd, &about) || !S_ISREG(about.st_mode)) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int is(const char *kind, int from_then_on) {
    const char *fault = getenv("FAULT");
    size_t length = strlen(kind);
    if (!fault || strncmp(fault, kind, length) || fault[length] != ':') return 0;
    long at = atol(fault + length + 1);
    return from_then_on ? changes >= at : changes == at;
}

static void die(void) { kill(getpid(), SIGKILL); }

/* Returns how many bytes of a write are to be written, -1 where it fails. */
static ssize_t allowed(int fd, size_t count) {
    if (!watched(fd)) return count;
    __sync_add_and_fetch(&changes, 1);
    if (is("error", 0)) { errno = EIO; return -1; }
    if (is("full", 1)) { errno = ENOSPC; return -1; }
    if (is("kill", 0)) die();
    return is("torn", 0) ? (ssize_t)(count / 2) : (ssize_t)count;
}

#define WRITE(name, declared, passed)                                     \
    ssize_t name declared {                                               \
        ssize_t (*real) declared = dlsym(RTLD_NEXT, #name);               \
        ssize_t most = allowed(fd, count);                                \
        if (most < 0) return -1;                                          \
        int torn = (size_t)most < count;                                  \
        count = most;                                                     \
        ssize_t done = real passed;                                       \
        if (torn) die();                                                  \
        return done;                                                      \
    }

WRITE(write, (int fd, const void *data, size_t count), (fd, data, count))
WRITE(pwrite, (int fd, const void *data, size_t count, off_t at), (fd, data, count, at))
WRITE(pwrite64, (int fd, const void *data, size_t count, off64_t at), (fd, data, count, at))

static void change(int counted) {
    if (!counted) return;
    __sync_add_and_fetch(&changes, 1);
    if (is("kill", 0) || is("torn", 0)) die();
}

#define CHANGE(name, declared, passed, counted)            \
    int name declared {                                    \
        int (*real) declared = dlsym(RTLD_NEXT, #name);    \
        change(counted);                                   \
        return real passed;                                \
    }

CHANGE(rename, (const char *from, const char *to), (from, to), below(to))
CHANGE(link, (const char *from, const char *to), (from, to), below(to))
CHANGE(unlink, (const char *path), (path), below(path))
CHANGE(ftruncate, (int fd, off_t size), (fd, size), watched(fd))
CHANGE(ftruncate64, (int fd, off64_t size), (fd, size), watched(fd))
CHANGE(truncate64, (const char *path, off64_t size), (path, size), below(path))

__attribute__((destructor)) static void tell(void) {
    const char *name = getenv("FAULT_COUNT");
    FILE *file = name && is("count", 1) ? fopen(name, "w") : NULL;
    if (file) { fprintf(file, "%ld", changes); fclose(file); }
}
