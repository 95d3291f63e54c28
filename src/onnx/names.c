/* Names in files: ours, which hold tags, and strangers', for sentences. */
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 48 };

ni_print ni_onnx_print(const char *name)
{
    ni_print out = {""};
    size_t length = name ? strlen(name) : 0;
    size_t shown = length > LONGEST ? LONGEST : length;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)name[i];
        out.text[i] = (char)(c < 0x20 || c == 0x7F ? '?' : c);
    }
    if (shown < length)
        memcpy(out.text + shown, "...", 4);
    return out;
}

ni_print ni_onnx_print_node(const ni_pb_node *node)
{
    ni_print out;
    bool named = node->name && *node->name;
    const char *output = node->n_output ? node->output[0] : NULL;
    ni_print name = ni_onnx_print(named ? node->name : output);
    snprintf(out.text, sizeof out.text, "%s\"%.60s\"", named ? "" : "giving ",
             name.text);
    return out;
}

int32_t ni_onnx_tag(const char *name, nash_op op)
{
    const char *word = nash_op_name(op);
    size_t length = strlen(word);
    if (!name || strncmp(name, word, length) != 0 || name[length] != '_')
        return -1;
    const char *digits = name + length + 1;
    int64_t tag = 0;
    if (!*digits || (digits[0] == '0' && digits[1]))
        return -1;
    for (; *digits; digits++) {
        if (*digits < '0' || *digits > '9')
            return -1;
        tag = tag * 10 + (*digits - '0');
        if (tag > INT32_MAX)
            return -1;
    }
    return (int32_t)tag;
}

static bool scan_number(int32_t *value, const char **text)
{
    char *end;
    errno = 0;
    long number = strtol(*text, &end, 10);
    if (end == *text || errno != 0 || number < INT32_MIN || number > INT32_MAX)
        return false;
    *value = (int32_t)number;
    *text = end;
    return true;
}

bool ni_onnx_scan(int32_t *values, const char *text, const char *format)
{
    while (text && *format) {
        if (strncmp(format, "%d", 2) == 0) {
            if (!scan_number(values++, &text))
                return false;
            format += 2;
        } else if (*format++ != *text++) {
            return false;
        }
    }
    return text && !*text;
}
