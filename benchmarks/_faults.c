/* Counts what a process writes below one folder, and fails, or sends a signal, at a chosen place.

   Compiled and loaded by `_warm.py` (LD_PRELOAD): every call that changes a file below `root` is numbered. The call with
   the number `at` is not carried out but told `error`, as are all later ones where `lasting`; or, before it is carried
   out, `target` is sent `signal`. The state is a file that the harness maps too, so counts go on across forks. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct state {
    int64_t count, at;
    int32_t error, lasting, logging, signal, target, unused;
    char root[PATH_MAX];
};

static struct state *state;
static int log_file = -1;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("WORKBENCH_FAULTS");
    if (!name) return;
    int file = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (mapped == MAP_FAILED) return;
    char log_name[PATH_MAX];
    snprintf(log_name, sizeof log_name, "%s.log", name);
    log_file = syscall(SYS_openat, AT_FDCWD, log_name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    state = mapped;
}

static int below(const char *path) {
    size_t length = strlen(state->root);
    return length && !strncmp(path, state->root, length) && (path[length] == '/' || !path[length]);
}

/* Whether this call has to fail; `errno` says why then. */
static int fails(const char *call, const char *path) {
    if (!state || !below(path)) return 0;
    int64_t number = __atomic_add_fetch(&state->count, 1, __ATOMIC_SEQ_CST);
    if (state->logging && log_file >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s\t%s\n", call, path + strlen(state->root));
        syscall(SYS_write, log_file, line, length);
    }
    if (state->at && (number == state->at || (state->lasting && number > state->at))) {
        if (state->signal) syscall(SYS_kill, state->target, state->signal);
        errno = state->error;
        return state->error != 0;
    }
    return 0;
}

/* Below here deletions and truncations: a disk that is full lets go of space. */
static int fails_to_shrink(const char *call, const char *path) {
    return state && state->error == ENOSPC ? 0 : fails(call, path);
}

static const char *of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static const char *absolute(int folder, const char *name, char *path) {
    if (!name) return "";
    if (name[0] == '/') return name;
    char start[PATH_MAX] = "";
    if (folder == AT_FDCWD) {
        if (!getcwd(start, sizeof start)) return "";
    } else {
        of_descriptor(folder, start);
    }
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", start, name);
    return path;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ONCE(name) static __typeof__(&name) real; if (!real) real = REAL(name)
#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)))

#define OPEN(name)                                                                      \
    int name(const char *file, int flags, ...) {                                        \
        ONCE(name);                                                                     \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        char path[PATH_MAX];                                                            \
        if (WRITES(flags) && fails("open", absolute(AT_FDCWD, file, path))) return -1;  \
        return real(file, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                    \
    int name(int folder, const char *file, int flags, ...) {                            \
        ONCE(name);                                                                     \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        char path[PATH_MAX];                                                            \
        if (WRITES(flags) && fails("open", absolute(folder, file, path))) return -1;    \
        return real(folder, file, flags, mode);                                         \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                                     \
    FILE *name(const char *file, const char *mode) {                                    \
        ONCE(name);                                                                     \
        char path[PATH_MAX];                                                            \
        if (strpbrk(mode, "wa+") && fails("open", absolute(AT_FDCWD, file, path))) return NULL; \
        return real(file, mode);                                                        \
    }
FOPEN(fopen)
FOPEN(fopen64)

#define ON_DESCRIPTOR(type, name, check, parameters, arguments)                         \
    type name parameters {                                                              \
        ONCE(name);                                                                     \
        char path[PATH_MAX];                                                            \
        if (state && check(#name, of_descriptor(descriptor, path))) return -1;          \
        return real arguments;                                                          \
    }
ON_DESCRIPTOR(ssize_t, write, fails, (int descriptor, const void *from, size_t n), (descriptor, from, n))
ON_DESCRIPTOR(ssize_t, writev, fails, (int descriptor, const struct iovec *from, int n), (descriptor, from, n))
ON_DESCRIPTOR(ssize_t, pwrite, fails, (int descriptor, const void *from, size_t n, off_t at), (descriptor, from, n, at))
ON_DESCRIPTOR(ssize_t, pwrite64, fails, (int descriptor, const void *from, size_t n, off64_t at), (descriptor, from, n, at))
ON_DESCRIPTOR(int, fsync, fails, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, fdatasync, fails, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, ftruncate, fails_to_shrink, (int descriptor, off_t n), (descriptor, n))
ON_DESCRIPTOR(int, ftruncate64, fails_to_shrink, (int descriptor, off64_t n), (descriptor, n))
ON_DESCRIPTOR(int, fchmod, fails_to_shrink, (int descriptor, mode_t mode), (descriptor, mode))
ON_DESCRIPTOR(ssize_t, sendfile, fails, (int descriptor, int from, off_t *at, size_t n), (descriptor, from, at, n))
ON_DESCRIPTOR(ssize_t, sendfile64, fails, (int descriptor, int from, off64_t *at, size_t n), (descriptor, from, at, n))

ssize_t copy_file_range(int from, off64_t *from_at, int descriptor, off64_t *at, size_t n, unsigned flags) {
    ONCE(copy_file_range);
    char path[PATH_MAX];
    if (state && fails("copy_file_range", of_descriptor(descriptor, path))) return -1;
    return real(from, from_at, descriptor, at, n, flags);
}

#define ON_NAME(name, check, folder, parameters, arguments)                             \
    int name parameters {                                                               \
        ONCE(name);                                                                     \
        char path[PATH_MAX];                                                            \
        if (check(#name, absolute(folder, file, path))) return -1;                      \
        return real arguments;                                                          \
    }
ON_NAME(mkdir, fails, AT_FDCWD, (const char *file, mode_t mode), (file, mode))
ON_NAME(mkdirat, fails, folder, (int folder, const char *file, mode_t mode), (folder, file, mode))
ON_NAME(chmod, fails_to_shrink, AT_FDCWD, (const char *file, mode_t mode), (file, mode))
ON_NAME(truncate, fails_to_shrink, AT_FDCWD, (const char *file, off_t n), (file, n))
ON_NAME(truncate64, fails_to_shrink, AT_FDCWD, (const char *file, off64_t n), (file, n))
ON_NAME(unlink, fails_to_shrink, AT_FDCWD, (const char *file), (file))
ON_NAME(rmdir, fails_to_shrink, AT_FDCWD, (const char *file), (file))
ON_NAME(unlinkat, fails_to_shrink, folder, (int folder, const char *file, int flags), (folder, file, flags))
ON_NAME(rename, fails_to_shrink, AT_FDCWD, (const char *file, const char *to), (file, to))
ON_NAME(renameat, fails_to_shrink, folder, (int folder, const char *file, int at, const char *to), (folder, file, at, to))
