/*
 * yaml: a YAML document as JSON text.
 *
 * For values.yaml, which people write.  Mappings, sequences and scalars; plain
 * scalars become null, true, false or numbers where JSON writes them so, else
 * strings.  Aliases are copies of what they name, as much as fits.  Comments
 * are lost.  The only user of libyaml.
 */
#ifndef VARVE_YAML_H
#define VARVE_YAML_H

#include "fs/base/buf.h"

#define YAML_BYTES_MAX (16u << 20)	/* of the YAML, and of the JSON */

/* what: for messages.  -EBADMSG: malformed, or no single document of a key a
 * mapping's; -E2BIG: over a limit. */
int yaml_to_json(struct span yaml, const char *what, struct buf *json,
		 struct err *err);

#endif
