#ifndef NI_REPORT_WORDS_H
#define NI_REPORT_WORDS_H

#include "text.h"

#include <nash/report.h>

/*
 * Numbers and things in words. Each fills a buffer of NI_WORD bytes and
 * returns it.
 */

enum { NI_WORD = 64 };

/** "5.70 %"; an en dash for what was not measured. */
const char *ni_percent(char word[NI_WORD], double share);
/** "0.214" with three decimals, or an en dash. */
const char *ni_decimal(char word[NI_WORD], double value);
/** As nash_count_words() and nash_time_words(). */
const char *ni_count(char word[NI_WORD], double count);
const char *ni_duration(char word[NI_WORD], double seconds);
/** "64 × 32 × 32", or "64" where height and width are 1. */
const char *ni_shape(char word[NI_WORD], nash_shape shape);

#endif
