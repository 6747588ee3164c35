/* A disk that fails, lies or hangs, for a program that this library is preloaded into.
 *
 * The file named by FAULTY_DISK holds one rule a line, "OP ACTION PATTERN"; while there is none, nothing
 * happens. OP is open, read, write, truncate or punch (a hole); open means for writing. ACTION is
 *
 *     error:NUMBER     fail with that errno
 *     quota:NUMBER     write, but fail with EDQUOT where the files beside take up so many bytes
 *     files:NUMBER     open, but fail with ENOSPC where that would make a file more than so many
 *     hang             wait until the rule is gone, then do what was asked
 *     slow:NUMBER      wait that many milliseconds, then do what was asked
 *     flip:OFFSET      read, but with a bit of the byte at that offset of the file inverted
 *
 * The files beside are those in the folders next to that of the file.
 *
 * PATTERN is matched by fnmatch(3) against the path as the kernel knows it, so that a `*` takes a `/` as well.
 * A read that is not to wait (RWF_NOWAIT) finds nothing in memory where a rule holds, as after a long time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

enum action { NONE, FAIL, HANG, SLOW, FLIP, QUOTA, FILES };

struct rule {
    enum action action;
    long long number;
};

static int open_for_real(const char *path, int flags)
{
    REAL(int, open64, const char *, int, ...);
    return real(path, flags);
}

static struct rule rule_for(const char *op, const char *path)
{
    struct rule found = {NONE, 0};
    char text[8192], *rest = text, *line;
    const char *control = getenv("FAULTY_DISK");
    int fd = control ? open_for_real(control, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return found;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size < 0 ? 0 : size] = 0;
    while ((line = strsep(&rest, "\n"))) {
        char *its_op = strsep(&line, " "), *action = strsep(&line, " ");
        if (!action || !line || strcmp(its_op, op) || fnmatch(line, path, 0))
            continue;
        if (sscanf(action, "error:%lld", &found.number) == 1)
            found.action = FAIL;
        else if (sscanf(action, "flip:%lld", &found.number) == 1)
            found.action = FLIP;
        else if (sscanf(action, "quota:%lld", &found.number) == 1)
            found.action = QUOTA;
        else if (sscanf(action, "files:%lld", &found.number) == 1)
            found.action = FILES;
        else if (sscanf(action, "slow:%lld", &found.number) == 1)
            found.action = SLOW;
        else
            found.action = HANG;
        return found;
    }
    return found;
}

static void path_of(int fd, char *path, size_t room)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, room - 1);
    path[size < 0 ? 0 : size] = 0;
}

static struct rule rule_of(const char *op, int fd)
{
    char path[4096];
    path_of(fd, path, sizeof path);
    return rule_for(op, path);
}

/* How many files lie in the folders next to that of a file, or how many bytes they take up. */
static long long beside(const char *path, int bytes)
{
    char pattern[4200];
    struct stat found;
    glob_t names;
    long long total = 0;
    snprintf(pattern, sizeof pattern, "%s", path);
    for (int up = 0; up < 2; up++)
        if (strrchr(pattern, '/'))
            *strrchr(pattern, '/') = 0;
    strcat(pattern, "/[0-9a-f][0-9a-f]/*");
    if (glob(pattern, 0, NULL, &names))
        return 0;
    for (size_t each = 0; each < names.gl_pathc; each++)
        total += !bytes ? 1 : lstat(names.gl_pathv[each], &found) ? 0 : found.st_blocks * 512LL;
    globfree(&names);
    return total;
}

/* Nonzero where the call is to fail; errno is set then. */
static int obey(const char *op, int fd, const char *path)
{
    for (;;) {
        int before = errno;
        struct rule rule = path ? rule_for(op, path) : rule_of(op, fd);
        errno = before;
        if (rule.action == FAIL) {
            errno = (int)rule.number;
            return 1;
        }
        if (rule.action == QUOTA || rule.action == FILES) {
            char name[4096];
            struct stat found;
            if (!path)
                path_of(fd, name, sizeof name);
            if (rule.action == FILES ? !lstat(path ? path : name, &found) : 0)
                return 0;
            int full = beside(path ? path : name, rule.action == QUOTA) >= rule.number;
            errno = full ? rule.action == QUOTA ? EDQUOT : ENOSPC : before;
            return full;
        }
        if (rule.action == SLOW)
            usleep(rule.number * 1000);
        if (rule.action != HANG)
            return 0;
        usleep(10000);
    }
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    if (obey("read", fd, NULL))
        return -1;
    ssize_t count = real(fd, buffer, size, offset);
    struct rule rule = rule_of("read", fd);
    if (rule.action == FLIP && rule.number >= offset && rule.number < offset + count)
        ((char *)buffer)[rule.number - offset] ^= 1;
    return count;
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return pread64(fd, buffer, size, offset);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    REAL(ssize_t, preadv64v2, int, const struct iovec *, int, off64_t, int);
    if (rule_of("read", fd).action != NONE) {
        /* Without the flag nothing in the product calls this; a fault that is not noticed would be worse. */
        errno = flags & RWF_NOWAIT ? EAGAIN : EIO;
        return -1;
    }
    return real(fd, parts, count, offset, flags);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return preadv64v2(fd, parts, count, offset, flags);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return obey("write", fd, NULL) ? -1 : real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(int, ftruncate64, int, off64_t);
    return obey("truncate", fd, NULL) ? -1 : real(fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int open64(const char *path, int flags, ...)
{
    REAL(int, open64, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    if (flags & (O_WRONLY | O_RDWR | O_CREAT) && obey("open", -1, path))
        return -1;
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return open64(path, flags, mode);
}

/* A name in a folder that is open, as the kernel knows its path. */
int openat64(int folder, const char *name, int flags, ...)
{
    REAL(int, openat64, int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t size = name[0] == '/' ? 0 : readlink(link, path, sizeof path - 1);
    size = size < 0 ? 0 : size;
    snprintf(path + size, sizeof path - size, size ? "/%s" : "%s", name);
    if (flags & (O_WRONLY | O_RDWR | O_CREAT) && obey("open", -1, path))
        return -1;
    return real(folder, name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0;
    va_end(rest);
    return openat64(folder, name, flags, mode);
}

int fallocate64(int fd, int mode, off64_t start, off64_t size)
{
    REAL(int, fallocate64, int, int, off64_t, off64_t);
    return mode && obey("punch", fd, NULL) ? -1 : real(fd, mode, start, size);
}

int fallocate(int fd, int mode, off_t start, off_t size)
{
    return fallocate64(fd, mode, start, size);
}
