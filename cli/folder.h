#ifndef CLI_FOLDER_H
#define CLI_FOLDER_H

/*
 * Directories, with sentences about what is wrong with them.
 */

/** Whether a run can begin in a directory: it is not there yet, or empty.
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int folder_check_new(const char *dir);

/** Make a directory and its missing parents; likewise. */
int folder_make(const char *dir);

/** Whether a file can be written, before hours pass: its folder must be there.
 * @param option  that names it, "--output"
 * @return EXIT_OK, or EXIT_FAILED after a sentence */
int folder_check_output(const char *option, const char *path);

/** Remove a directory that holds files only; quietly, NULL is fine. */
void folder_remove(const char *dir);

#endif
