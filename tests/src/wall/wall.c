/* A wall clock that a test may set: preloaded into a program, it adds the number of nanoseconds that stands in a shared file
 * (WALL_OFFSET_FILE) to CLOCK_REALTIME, and leaves every other clock alone.
 *
 * Whoever asks libc is answered here. Rust's rustix asks the kernel's vDSO, past libc; but where that lies it learns by
 * getauxval, and is shown one of ours: an ELF image that names a single function. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BILLION = 1000000000 };

static _Atomic int64_t *offset_nanos;

static int told(clockid_t clock, struct timespec *time) {
    long failed = syscall(SYS_clock_gettime, clock, time);
    if (failed || !offset_nanos || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return (int)failed;
    int64_t nanos = time->tv_nsec + atomic_load(offset_nanos);
    time->tv_sec += nanos / BILLION;
    time->tv_nsec = nanos % BILLION;
    if (time->tv_nsec < 0) {
        time->tv_nsec += BILLION;
        time->tv_sec--;
    }
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) { return told(clock, time); }

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (told(CLOCK_REALTIME, &now)) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec now = {0};
    told(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}

#ifdef __x86_64__

static const char NAMES[] = "\0__vdso_clock_gettime";

/* What a reader of a vDSO looks at, and no more. */
struct image {
    ElfW(Ehdr) header;
    ElfW(Phdr) parts[2];
    ElfW(Dyn) dynamic[5];
    ElfW(Sym) symbols[2];
    uint32_t hash[5];
    char names[sizeof NAMES];
    uint8_t code[12];
};

static void *image_of_ours(void) {
    struct image *image = mmap(NULL, sizeof *image, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image == MAP_FAILED) return NULL;
    image->header = (ElfW(Ehdr)){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                                 .e_type = ET_DYN,
                                 .e_machine = EM_X86_64,
                                 .e_version = EV_CURRENT,
                                 .e_phoff = offsetof(struct image, parts),
                                 .e_ehsize = sizeof(ElfW(Ehdr)),
                                 .e_phentsize = sizeof(ElfW(Phdr)),
                                 .e_phnum = 2};
    image->parts[0] = (ElfW(Phdr)){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = sizeof *image, .p_memsz = sizeof *image};
    image->parts[1] = (ElfW(Phdr)){.p_type = PT_DYNAMIC,
                                   .p_flags = PF_R,
                                   .p_offset = offsetof(struct image, dynamic),
                                   .p_vaddr = offsetof(struct image, dynamic),
                                   .p_memsz = sizeof image->dynamic};
    const ElfW(Dyn) dynamic[5] = {{DT_STRTAB, {offsetof(struct image, names)}},
                                  {DT_SYMTAB, {offsetof(struct image, symbols)}},
                                  {DT_HASH, {offsetof(struct image, hash)}},
                                  {DT_SYMENT, {sizeof(ElfW(Sym))}},
                                  {DT_NULL, {0}}};
    memcpy(image->dynamic, dynamic, sizeof dynamic);
    image->symbols[1] = (ElfW(Sym)){.st_name = 1,
                                    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                    .st_shndx = 1,
                                    .st_value = offsetof(struct image, code),
                                    .st_size = sizeof image->code};
    /* One bucket, two symbols; the bucket's chain is the second of them. */
    const uint32_t hash[5] = {1, 2, 1, 0, 0};
    memcpy(image->hash, hash, sizeof hash);
    memcpy(image->names, NAMES, sizeof NAMES);
    /* mov rax, told; jmp rax */
    int (*function)(clockid_t, struct timespec *) = told;
    uint8_t code[12] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
    memcpy(code + 2, &function, sizeof function);
    memcpy(image->code, code, sizeof code);
    if (mprotect(image, sizeof *image, PROT_READ | PROT_EXEC)) return NULL;
    return image;
}

unsigned long getauxval(unsigned long type) {
    static _Atomic(void *) image;
    if (type == AT_SYSINFO_EHDR) {
        /* Two threads that ask at once get one each, and both are right. */
        if (!atomic_load(&image)) atomic_store(&image, image_of_ours());
        return (unsigned long)atomic_load(&image);
    }
    unsigned long (*next)(unsigned long) = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
    return next ? next(type) : 0;
}

#endif

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WALL_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof *offset_nanos, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) offset_nanos = shared;
}
