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
/** "374 k", "5.71 M". */
const char *ni_count(char word[NI_WORD], double count);
/** "47 s", "12 min 03 s", "2 h 05 min". */
const char *ni_duration(char word[NI_WORD], double seconds);
/** "64 × 32 × 32", or "64" where height and width are 1. */
const char *ni_shape(char word[NI_WORD], nash_shape shape);

/** The record of a candidate, NULL if there is none. */
const nash_record *ni_find_record(const nash_history *history, int32_t step,
                                  int32_t child);

#endif
