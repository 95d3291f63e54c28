/*
 * Pictures in directories, by their names alone.
 */
#include "listing.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>

bool ni_is_picture_name(const char *name)
{
    return ni_ends_with(name, ".png") || ni_ends_with(name, ".jpg") ||
           ni_ends_with(name, ".jpeg");
}

int32_t ni_count_files(int32_t *first, const ni_strings *files, bool pictures)
{
    int32_t n = 0;
    for (int32_t i = 0; i < files->n; i++)
        if (ni_is_picture_name(files->items[i]) == pictures)
            *first = n++ ? *first : i;
    return n;
}

nash_status ni_has_pictures(bool *yes, const char *dir)
{
    ni_strings names = {0};
    nash_status status = ni_directory_list(&names, dir, NI_ENTRY_FILE);
    for (int32_t i = 0; i < names.n && !*yes; i++)
        *yes = ni_is_picture_name(names.items[i]);
    ni_strings_deinit(&names);
    return status;
}

nash_status ni_has_classes(bool *yes, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    char *path = NULL;
    if (!ni_is_directory(dir))
        goto done;
    TRY(ni_directory_list(&names, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < names.n && !*yes; i++) {
        NEW_FROM(path, ni_path_join(dir, names.items[i]));
        status = ni_has_pictures(yes, path);
        if (status != NASH_EIO)
            TRY(status);
        ni_free(path);
        path = NULL;
    }
    status = NASH_OK;
done:
    ni_free(path);
    ni_strings_deinit(&names);
    return status == NASH_EIO ? NASH_OK : status;
}

/* One of a directory's directories that ni_has_classes(); NULL if none has. */
static nash_status find_deeper(char **path, const char *dir)
{
    nash_status status = NASH_OK;
    ni_strings names = {0};
    bool yes = false;
    TRY(ni_directory_list(&names, dir, NI_ENTRY_DIRECTORY));
    for (int32_t i = 0; i < names.n && !yes; i++) {
        ni_free(*path);
        NEW_FROM(*path, ni_path_join(dir, names.items[i]));
        TRY(ni_has_classes(&yes, *path));
    }
    if (!yes) {
        ni_free(*path);
        *path = NULL;
    }
done:
    ni_strings_deinit(&names);
    return status;
}

/* The first file of a directory or of one of its directories, or NULL. */
static nash_status find_file(char **path, const char *dir, bool below)
{
    nash_status status = NASH_OK;
    ni_strings files = {0}, directories = {0};
    char *deeper = NULL;
    TRY(ni_directory_list(&files, dir, NI_ENTRY_FILE));
    TRY(ni_directory_list(&directories, dir, NI_ENTRY_DIRECTORY));
    if (files.n)
        NEW_FROM(*path, ni_path_join(dir, files.items[0]));
    for (int32_t i = 0; below && i < directories.n && !*path; i++) {
        ni_free(deeper);
        NEW_FROM(deeper, ni_path_join(dir, directories.items[i]));
        status = find_file(path, deeper, false);
        if (status != NASH_EIO)
            TRY(status);
        status = NASH_OK;
    }
done:
    ni_free(deeper);
    ni_strings_deinit(&files);
    ni_strings_deinit(&directories);
    return status;
}

nash_status ni_directory_look(char *text, size_t size_bytes, const char *dir)
{
    nash_status status = NASH_OK;
    bool flat = false;
    char *deeper = NULL, *file = NULL;
    TRY(ni_has_pictures(&flat, dir));
    TRY(find_deeper(&deeper, dir));
    TRY(find_file(&file, dir, true));
    if (flat)
        snprintf(text, size_bytes,
                 "its pictures lie in it without a folder for each class");
    else if (deeper)
        snprintf(text, size_bytes,
                 "pictures lie a level too deep, in folders of %s", deeper);
    else if (file)
        snprintf(text, size_bytes, "%s is no PNG or JPEG file by its name",
                 file);
    else
        snprintf(text, size_bytes, "neither it nor its folders hold a file");
done:
    ni_free(deeper);
    ni_free(file);
    return status;
}
