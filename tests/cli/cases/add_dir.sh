tree d
settle
quietly varve init
t varve add -s web/etc -t 2021-01-22 d
t varve add -s web/etc -t 2021-01-23 d
t varve list
t varve add -q -s web/etc -t 2021-01-24 d
echo more >>d/file
settle
t varve add --json -s web/etc -t 2021-01-25 --tag a=b --tag c=d d |
	sed -E 's/"(added|host|user|version|new_bytes|compared|predicted|files_ahead|blocks|raw_blocks|chunk_bytes|new_chunk_bytes|chunks|new_chunks)":("[^"]*"|[0-9]*)/"\1":X/g'
t varve add -s web/etc -t 2021-01-26 --exclude 'deep/' --exclude '*.o' d
t varve ls -R web/etc
t varve add -s web/etc -t 2021-01-26 nothere
