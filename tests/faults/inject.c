/* Calls to the system that fail, once or from the k-th on, and a journal of those that change files.
 *
 * Loaded before the C library (LD_PRELOAD). Only calls on files below one folder are counted; inject.py arms it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum { SHORT = -1, HIDDEN = -2 };

static char under[PATH_MAX], wanted[16];
static long nth, seen;
static int error_number, from_then_on, journal = -1;

void fault_arm(const char *folder, const char *call, long k, int error, int persistent) {
    snprintf(under, sizeof under, "%s", folder);
    snprintf(wanted, sizeof wanted, "%s", call);
    nth = k, error_number = error, from_then_on = persistent, seen = 0;
}

long fault_seen(void) { return seen; }

void fault_record(const char *folder, int descriptor) {
    snprintf(under, sizeof under, "%s", folder);
    journal = descriptor;
}

/* A line of the journal: the operation, its paths, offset and size; behind a write its bytes. */
void fault_note(const char *operation, const char *path, const char *other, long offset, const void *data, long size) {
    if (journal < 0) return;
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%ld\n", operation, path, other, offset, data ? size : 0L);
    REAL(write)(journal, line, length);
    if (data) REAL(write)(journal, data, size);
}

static int inside(const char *path) {
    size_t length = strlen(under);
    return length && path && !strncmp(path, under, length) && (path[length] == '/' || !path[length]);
}

static const char *path_of(int descriptor, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return path;
}

/* 0: the call may go on; else it is to fail so. */
static int fault(const char *call, const char *path) {
    if (strcmp(call, wanted) || !inside(path)) return 0;
    seen++;
    return seen == nth || (from_then_on && seen > nth) ? error_number : 0;
}

static int failed(int error) {
    errno = error;
    return -1;
}

static int opened(int descriptor, const char *path, int flags) {
    if (descriptor >= 0 && inside(path) && (flags & (O_CREAT | O_TRUNC))) {
        int length = lseek(descriptor, 0, SEEK_END);
        lseek(descriptor, 0, SEEK_SET);
        if (!length) fault_note(flags & O_TRUNC ? "truncate" : "create", path, "", 0, NULL, 0);
    }
    return descriptor;
}

#define OPEN(name)                                                    \
    int name(const char *path, int flags, ...) {                      \
        va_list rest;                                                 \
        va_start(rest, flags);                                        \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                 \
        int error = fault("open", path);                              \
        return error ? failed(error) : opened(REAL(name)(path, flags, mode), path, flags); \
    }
OPEN(open)
OPEN(open64)

int openat(int folder, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int error = fault("open", path);
    return error ? failed(error) : opened(REAL(openat)(folder, path, flags, mode), path, flags);
}

ssize_t read(int descriptor, void *data, size_t size) {
    char path[PATH_MAX];
    int error = *wanted == 'r' ? fault("read", path_of(descriptor, path)) : 0;
    if (error > 0) return failed(error);
    return REAL(read)(descriptor, data, error == SHORT && size > 1 ? size / 2 : size);
}

ssize_t write(int descriptor, const void *data, size_t size) {
    char path[PATH_MAX];
    int watched = journal >= 0 || *wanted == 'w', error = watched ? fault("write", path_of(descriptor, path)) : 0;
    if (error > 0) return failed(error);
    ssize_t done = REAL(write)(descriptor, data, error == SHORT && size > 1 ? size / 2 : size);
    if (done > 0 && journal >= 0 && inside(path))
        fault_note("write", path, "", lseek(descriptor, 0, SEEK_CUR) - done, data, done);
    return done;
}

int fsync(int descriptor) {
    char path[PATH_MAX];
    int error = fault("fsync", path_of(descriptor, path));
    if (error > 0) return failed(error);
    int done = REAL(fsync)(descriptor);
    if (!done && inside(path)) fault_note("fsync", path, "", 0, NULL, 0);
    return done;
}

int rename(const char *from, const char *to) {
    int error = fault("rename", to);
    if (error > 0) return failed(error);
    int done = REAL(rename)(from, to);
    if (!done && inside(to)) fault_note("rename", from, to, 0, NULL, 0);
    return done;
}

int unlink(const char *path) {
    int error = fault("unlink", path);
    if (error > 0) return failed(error);
    int done = REAL(unlink)(path);
    if (!done && inside(path)) fault_note("unlink", path, "", 0, NULL, 0);
    return done;
}

int mkdir(const char *path, mode_t mode) {
    int error = fault("mkdir", path);
    if (error > 0) return failed(error);
    int done = REAL(mkdir)(path, mode);
    if (!done && inside(path)) fault_note("mkdir", path, "", 0, NULL, 0);
    return done;
}

int ftruncate(int descriptor, off_t size) {
    char path[PATH_MAX];
    int error = fault("ftruncate", path_of(descriptor, path));
    if (error > 0) return failed(error);
    int done = REAL(ftruncate)(descriptor, size);
    if (!done && inside(path)) fault_note("cut", path, "", size, NULL, 0);
    return done;
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
    char path[PATH_MAX];
    int error = descriptor >= 0 && *wanted == 'm' ? fault("mmap", path_of(descriptor, path)) : 0;
    if (error > 0) {
        errno = error;
        return MAP_FAILED;
    }
    return REAL(mmap)(address, size, protection, flags, descriptor, offset);
}
