/*
 * A fuzzer's target without libFuzzer: run over the files of a folder, those
 * that the fuzzer begins with and what it once found. The target aborts where
 * something is wrong.
 *
 *     corpus_NAME DIR
 */
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size_bytes, size_t max_bytes);

/* For targets with mutations of their own, which nobody calls here. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size_bytes, size_t max_bytes)
{
    (void)bytes;
    (void)max_bytes;
    return size_bytes;
}

static bool run(const char *dir, const char *name)
{
    char path[4096], *bytes;
    size_t size_bytes;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (ni_file_read(&bytes, &size_bytes, path, 1 << 24) != NASH_OK) {
        fprintf(stderr, "%s\n", nash_error_message());
        return false;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size_bytes);
    ni_free(bytes);
    return true;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int count = 0;
    bool good = dir != NULL;
    for (struct dirent *at; good && (at = readdir(dir)) != NULL;) {
        if (at->d_name[0] == '.')
            continue;
        good = run(argv[1], at->d_name);
        count++;
    }
    if (dir)
        closedir(dir);
    printf("%d files\n", count);
    return good && count > 0 ? 0 : 1;
}
