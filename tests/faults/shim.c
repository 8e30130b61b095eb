/* Counts the durable acts of one program (fsync, rename, unlink and their kin), and kills it, or fails a call, at the Nth.
 *
 * Preloaded (LD_PRELOAD); what it does is told by the environment:
 *
 *   TRUEUP_FAULT_COMM=NAME      count in the process of this name (/proc/self/comm; `trueup` by default), not in its children
 *   TRUEUP_FAULT_LOG=FILE       append `N name path` for each call, before it is made
 *   TRUEUP_FAULT_ARM=FILE       count only once this file exists
 *   TRUEUP_FAULT_KILL=N         kill the process, whole and at once, right before the Nth call
 *   TRUEUP_FAULT_KILL_AFTER=N   right after it
 *   TRUEUP_FAULT_ERRNO=N:NAME   let the Nth call fail with this errno and do nothing
 *   TRUEUP_FAULT_WRITES=A:B     count only writes to files below these folders, and none of the durable acts
 *   TRUEUP_FAULT_CLOCK=FILE     the wall clock is wrong by as many seconds as the file says, whenever it is asked
 *
 * The calls are made as raw system calls: nothing depends on the order in which libraries are loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pid_t counted_pid;
static const char *log_file, *arm_file, *writes_below, *clock_file;
static long kill_before, kill_after, fail_at, count;
static int fail_errno, armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static int errno_named(const char *name) {
    static const struct { const char *name; int value; } known[] = {
        {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EACCES", EACCES}, {"EPERM", EPERM},
        {"EDQUOT", EDQUOT}, {"EXDEV", EXDEV}, {"EINTR", EINTR}, {"ENOENT", ENOENT},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].value;
    fprintf(stderr, "shim: TRUEUP_FAULT_ERRNO names an errno that it does not know: %s\n", name);
    _exit(125);
}

__attribute__((constructor)) static void begin(void) {
    char comm[64] = "";
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t length = read(fd, comm, sizeof comm - 1);
    close(fd);
    if (length > 0 && comm[length - 1] == '\n') comm[length - 1] = 0;
    const char *wanted = getenv("TRUEUP_FAULT_COMM");
    if (strcmp(comm, wanted ? wanted : "trueup") != 0) return;

    log_file = getenv("TRUEUP_FAULT_LOG");
    arm_file = getenv("TRUEUP_FAULT_ARM");
    writes_below = getenv("TRUEUP_FAULT_WRITES");
    clock_file = getenv("TRUEUP_FAULT_CLOCK");
    armed = arm_file == NULL;
    kill_before = number("TRUEUP_FAULT_KILL");
    kill_after = number("TRUEUP_FAULT_KILL_AFTER");
    const char *fail = getenv("TRUEUP_FAULT_ERRNO");
    const char *colon = fail ? strchr(fail, ':') : NULL;
    if (colon) {
        fail_at = atol(fail);
        fail_errno = errno_named(colon + 1);
    }
    counted_pid = getpid();
}

static void end_here(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Writes one line at once, so that lines of several threads do not mix. */
static void tell(long n, const char *name, const char *path) {
    char line[9000];
    int length = snprintf(line, sizeof line, "%ld %s %s", n, name, path);
    if (length > (int)sizeof line - 2) length = sizeof line - 2;
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20) line[i] = '?';
    line[length++] = '\n';
    int fd = open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    if (syscall(SYS_write, fd, line, length) != length) fprintf(stderr, "shim: the log is not whole\n");
    close(fd);
}

/* Returns the number of this call, or 0 where it is not counted; -1 where it shall fail, with errno set. */
static long count_call(const char *name, const char *path) {
    if (counted_pid == 0 || getpid() != counted_pid) return 0;
    if (writes_below && strcmp(name, "write") != 0) return 0;
    int before = errno;
    pthread_mutex_lock(&lock);
    if (!armed) armed = access(arm_file, F_OK) == 0;
    long n = 0;
    if (armed) {
        n = ++count;
        if (log_file) tell(n, name, path);
        if (n == kill_before) end_here();
    }
    pthread_mutex_unlock(&lock);
    errno = before;
    if (n && n == fail_at) {
        errno = fail_errno;
        return -1;
    }
    return n;
}

static void descriptor(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    path[length > 0 ? length : 0] = 0;
}

static void relative(int folder, const char *name, char *path, size_t size) {
    path[0] = 0;
    if (folder != AT_FDCWD && name && name[0] != '/') {
        descriptor(folder, path, size);
        strncat(path, "/", size - strlen(path) - 1);
    }
    strncat(path, name ? name : "(null)", size - strlen(path) - 1);
}

#define MADE(name, path, call)                          \
    do {                                                \
        int saved_ = errno;                             \
        long n_ = count_call(name, path);               \
        if (n_ < 0) return -1;                          \
        errno = saved_;                                 \
        int result_ = (int)(call);                      \
        if (n_ && n_ == kill_after) end_here();         \
        return result_;                                 \
    } while (0)

#define ON_DESCRIPTOR(name, fd, call)                   \
    do {                                                \
        char path_[4096];                               \
        int kept_ = errno;                              \
        descriptor(fd, path_, sizeof path_);            \
        errno = kept_;                                  \
        MADE(name, path_, call);                        \
    } while (0)

static void both(int from_folder, const char *from, int to_folder, const char *to, char *path, size_t size) {
    relative(from_folder, from, path, size / 2);
    strcat(path, " -> ");
    size_t used = strlen(path);
    relative(to_folder, to, path + used, size - used);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, id, now);
    if (result != 0 || id != CLOCK_REALTIME || !clock_file || getpid() != counted_pid) return (int)result;
    char text[32] = "";
    int kept = errno, fd = open(clock_file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
        close(fd);
    }
    errno = kept;
    return 0;
}

int fsync(int fd) { ON_DESCRIPTOR("fsync", fd, syscall(SYS_fsync, fd)); }

int fdatasync(int fd) { ON_DESCRIPTOR("fdatasync", fd, syscall(SYS_fdatasync, fd)); }

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    ON_DESCRIPTOR("sync_file_range", fd, syscall(SYS_sync_file_range, fd, offset, length, flags));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char path[8300];
    both(from_folder, from, to_folder, to, path, sizeof path);
    MADE("renameat2", path, syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    char path[8300];
    both(from_folder, from, to_folder, to, path, sizeof path);
    MADE("renameat", path, syscall(SYS_renameat, from_folder, from, to_folder, to));
}

int rename(const char *from, const char *to) {
    char path[8300];
    both(AT_FDCWD, from, AT_FDCWD, to, path, sizeof path);
#ifdef SYS_rename
    MADE("rename", path, syscall(SYS_rename, from, to));
#else
    MADE("rename", path, syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
#endif
}

int unlinkat(int folder, const char *name, int flags) {
    char path[4200];
    relative(folder, name, path, sizeof path);
    MADE("unlinkat", path, syscall(SYS_unlinkat, folder, name, flags));
}

int unlink(const char *name) {
#ifdef SYS_unlink
    MADE("unlink", name, syscall(SYS_unlink, name));
#else
    MADE("unlink", name, syscall(SYS_unlinkat, AT_FDCWD, name, 0));
#endif
}

int rmdir(const char *name) {
#ifdef SYS_rmdir
    MADE("rmdir", name, syscall(SYS_rmdir, name));
#else
    MADE("rmdir", name, syscall(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR));
#endif
}

static int is_below(const char *path) {
    for (const char *at = writes_below; at && *at; ) {
        size_t length = strcspn(at, ":");
        if (strncmp(path, at, length) == 0 && path[length] == '/') return 1;
        at += length + (at[length] == ':');
    }
    return 0;
}

/* Costs a look at the descriptor for each write, so only where it was asked for. */
#define WRITTEN(fd, call)                               \
    do {                                                \
        int kept_ = errno;                              \
        char path_[4096] = "";                          \
        if (writes_below) descriptor(fd, path_, sizeof path_); \
        errno = kept_;                                  \
        if (!is_below(path_)) return (call);            \
        MADE("write", path_, call);                     \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t length) { WRITTEN(fd, syscall(SYS_write, fd, bytes, length)); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    WRITTEN(fd, syscall(SYS_pwrite64, fd, bytes, length, offset));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    WRITTEN(fd, syscall(SYS_pwrite64, fd, bytes, length, offset));
}
