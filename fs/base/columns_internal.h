/*
 * columns_internal: what columns.c writes and columns_unpack.c reads.
 *
 *     u8      the byte that parts columns
 *     then, until all is told:
 *     varint  rows; 0: bytes that are none follow (varint length, bytes)
 *     varint  columns of each
 *     of each column:
 *       u8      kind (columns_form.h)
 *       CONST   varint length, bytes
 *       TEXT    each row's text and a newline
 *       NUMBER  u8 scale, u8 pad     TIME  u8 scale, u8 between, string zone
 *       of these and DATE:
 *       varint  odd: rows whose text is not of this form; where there are:
 *               a bit for each row, and the text of each odd one, a newline
 *       u8      bytes of a number; 0x80: steps: the first number follows (as
 *               zigzag), and of each other what it is more than the one before
 *               numbers as zigzag, all bytes of the highest weight first
 */
#ifndef VARVE_COLUMNS_INTERNAL_H
#define VARVE_COLUMNS_INTERNAL_H

#include "fs/base/columns.h"
#include "fs/base/columns_form.h"

#define COLUMNS_MAX 1024
#define COLUMNS_STEPS	 0x80u

#endif
