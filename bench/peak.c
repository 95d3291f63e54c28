/*
 * The arithmetic peak of this machine, to measure everything else by: loops of
 * independent multiply-adds on registers alone, on all given threads at once.
 *
 *     peak THREADS [SECONDS]
 *
 * prints {"bf16": G, "f32": G}, in GFLOP/s over all threads and the median of
 * short runs; null for what the chip, or this program, does not know: vdpbf16ps
 * and vfmadd231ps with 24 accumulators of 512 bits, else vfmadd231ps with 12 of
 * 256.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_THREADS = 1024, RUNS = 15, LOOPS = 1000 };

typedef struct loop {
    void (*run)(void); /* LOOPS times all accumulators */
    double flop;       /* of one run */
} loop;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)

/* clang-format off */
#define EACH_12(X)                                                             \
    X("0") X("1") X("2") X("3") X("4") X("5") X("6") X("7") X("8") X("9")      \
    X("10") X("11")
#define EACH_24(X)                                                             \
    EACH_12(X)                                                                 \
    X("12") X("13") X("14") X("15") X("16") X("17") X("18") X("19") X("20")    \
    X("21") X("22") X("23")
/* clang-format on */

#define CLEAR_Z(n) "vpxord %%zmm" n ", %%zmm" n ", %%zmm" n "\n\t"
#define CLEAR_Y(n) "vxorps %%ymm" n ", %%ymm" n ", %%ymm" n "\n\t"
#define DOT_BF16(n) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" n "\n\t"
#define FMA_Z(n) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" n "\n\t"
#define FMA_Y(n) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" n "\n\t"

#define RUN(clear, operate)                                                    \
    {                                                                          \
        long n = LOOPS;                                                        \
        __asm__ volatile(                                                      \
            clear "1:\n\t" operate "dec %0\n\tjnz 1b\n\tvzeroupper"            \
            : "+r"(n)                                                          \
            :                                                                  \
            : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",  \
              "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",       \
              "xmm13", "xmm14", "xmm15");                                      \
    }

static void run_bf16(void)
    RUN(EACH_24(CLEAR_Z) CLEAR_Z("30") CLEAR_Z("31"), EACH_24(DOT_BF16))

        static void run_f32_wide(void)
            RUN(EACH_24(CLEAR_Z) CLEAR_Z("30") CLEAR_Z("31"), EACH_24(FMA_Z))

                static void run_f32(void)
                    RUN(EACH_12(CLEAR_Y) CLEAR_Y("14") CLEAR_Y("15"),
                        EACH_12(FMA_Y))

                        static loop bf16_loop(void)
{
    if (__builtin_cpu_supports("avx512bf16"))
        return (loop){run_bf16, 24.0 * 64.0 * LOOPS};
    return (loop){NULL, 0.0};
}

static loop f32_loop(void)
{
    if (__builtin_cpu_supports("avx512f"))
        return (loop){run_f32_wide, 24.0 * 32.0 * LOOPS};
    if (__builtin_cpu_supports("fma"))
        return (loop){run_f32, 12.0 * 16.0 * LOOPS};
    return (loop){NULL, 0.0};
}

#else

static loop bf16_loop(void)
{
    return (loop){NULL, 0.0};
}

static loop f32_loop(void)
{
    return (loop){NULL, 0.0};
}

#endif

typedef struct measuring {
    loop loop;
    double seconds, rate; /* FLOP/s */
} measuring;

static void *work(void *ctx)
{
    measuring *m = ctx;
    double start = now(), runs = 0.0, spent;
    do {
        m->loop.run();
        runs += 1.0;
        spent = now() - start;
    } while (spent < m->seconds);
    m->rate = runs * m->loop.flop / spent;
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* FLOP/s of all threads together; 0 if one cannot be had. */
static double once(loop which, int threads, double seconds)
{
    static measuring m[MOST_THREADS];
    static pthread_t ids[MOST_THREADS];
    double sum = 0.0;
    int started = 0;
    for (; started < threads; started++) {
        m[started] = (measuring){.loop = which, .seconds = seconds};
        if (pthread_create(&ids[started], NULL, work, &m[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(ids[i], NULL);
        sum += m[i].rate;
    }
    return started == threads ? sum : 0.0;
}

static void measure(const char *name, loop which, int threads, double seconds)
{
    double rates[RUNS];
    if (!which.run) {
        printf("\"%s\": null", name);
        return;
    }
    for (int i = 0; i < RUNS; i++)
        rates[i] = once(which, threads, seconds / RUNS);
    qsort(rates, RUNS, sizeof *rates, compare);
    printf("\"%s\": %.1f", name, 1e-9 * rates[RUNS / 2]);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    double seconds = argc > 2 ? atof(argv[2]) : 0.5;
    if (threads < 1 || threads > MOST_THREADS || !(seconds > 0.0)) {
        fprintf(stderr, "usage: peak THREADS [SECONDS]\n");
        return 2;
    }
    printf("{");
    measure("bf16", bf16_loop(), threads, seconds);
    printf(", ");
    measure("f32", f32_loop(), threads, seconds);
    printf("}\n");
    return 0;
}
