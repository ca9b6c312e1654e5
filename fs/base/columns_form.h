/*
 * columns_form: what the values of a column have in common, and each of them as
 * a number of it.
 *
 * A text has a number only where that number gives the very text back.  Pure.
 */
#ifndef VARVE_COLUMNS_FORM_H
#define VARVE_COLUMNS_FORM_H

#include "fs/base/bytes.h"

/* As on disk. */
enum columns_kind {
	COLUMNS_CONST = 1, COLUMNS_TEXT = 2, COLUMNS_NUMBER = 3, COLUMNS_TIME = 4,
	COLUMNS_DATE = 5,
};

#define COLUMNS_SCALE_MAX 18u	/* digits of a number, and behind its point */
#define COLUMNS_FRACTION_MAX 6u	/* of a second */
#define COLUMNS_TRIMMED 7u		/* 0 to 6 of them, without zeros at the end */
#define COLUMNS_SUFFIX 9		/* "+05:45:30" */
#define COLUMNS_VALUE_MAX 48	/* no longer text comes of a number */

struct columns_form {
	enum columns_kind kind;
	/*
	 * NUMBER: digits behind the point; TIME: of the second's fraction, or
	 * COLUMNS_TRIMMED.
	 */
	uint8_t scale;
	uint8_t pad;		/* NUMBER: digits before the point at least */
	uint8_t between;	/* TIME: of date and time, ' ' or 'T' */
	uint8_t suffix_len;	/* TIME: the zone, the same in all */
	uint8_t suffix[COLUMNS_SUFFIX];
};

/* The forms text could be of, the likeliest first; how many. */
#define COLUMNS_GUESSES 3
size_t columns_form_guess(struct span text,
		       struct columns_form ret[COLUMNS_GUESSES]);
/* Its number (NUMBER: scaled; TIME: microseconds since 1970; DATE: days), or
 * false: text is not what columns_form_print() gives of any. */
bool columns_form_value(const struct columns_form *form, struct span text,
		     int64_t *ret);
/*
 * value's text into out (COLUMNS_VALUE_MAX bytes); its length.  0: no text of
 * this form has it.
 */
size_t columns_form_print(const struct columns_form *form, int64_t value,
		       uint8_t *out);
void columns_form_write(const struct columns_form *form, struct buf *out);
/* Of kind NUMBER, TIME or DATE; false: malformed. */
bool columns_form_read(struct bytes *in, enum columns_kind kind,
		    struct columns_form *ret);

#endif
