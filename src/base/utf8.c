/* UTF-8, of which names from elsewhere may have too little. */
#include "utf8.h"

#include <nash/text.h>

int nash_utf8_length(const char *text)
{
    static const unsigned char least[5] = {0, 0, 0xc2, 0xe0, 0xf0};
    const unsigned char *s = (const unsigned char *)text;
    int n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 1)
        return s[0] != 0;
    if (s[0] < least[n] || s[0] > 0xf4)
        return 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong =
        (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

bool ni_utf8_is_valid(const char *s)
{
    int n;
    while ((n = nash_utf8_length(s)) > 0)
        s += n;
    return *s == '\0';
}

static bool is_control(char c)
{
    return (c >= 0 && c < 0x20) || c == 0x7f;
}

void nash_hide_controls(char *s)
{
    for (; *s; s++)
        if (is_control(*s))
            *s = '?';
}

bool ni_utf8_is_printable(const char *s)
{
    while (*s) {
        int n = nash_utf8_length(s);
        if (n == 0 || is_control(*s))
            return false;
        s += n;
    }
    return true;
}
