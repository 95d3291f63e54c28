/*
 * Pictures in directories, by their names alone.
 */
#include "listing.h"

#include "base/file.h"
#include "base/memory.h"

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
