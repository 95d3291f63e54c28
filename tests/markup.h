#ifndef NASH_TEST_MARKUP_H
#define NASH_TEST_MARKUP_H

/** Fail the running test unless elements nest, attributes are quoted, and no
 * character stands bare that would have to be escaped. */
void assert_well_formed(const char *text);

#endif
