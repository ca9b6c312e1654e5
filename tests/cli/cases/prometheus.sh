tree d
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve add -q -s a -t 2021-01-02 d
quietly varve add -q -s 'b/"x\y' -t 2021-01-03 d
varve add -q -s b/cut -t 2021-01-02 --command sh -c 'tar cf - d; exit 1' 2>/dev/null
quietly varve add -q -s "$(printf 'b/\377\303\244')" -t 2021-01-03 d
quietly varve policy set 'b/*' --max-age 26h
quietly varve pin a@2021-01-02
quietly varve forget -q a@2021-01-01
# Whether the second add brings origins depends on the age of the files: so on
# how quick this machine is.
facts() { sed -E 's/^(varve_source_new_bytes\{.*\}) 0$/\1 N/; /^#/!s/(_bytes|_objects|_packs|added|prune.*|check_t.*|last_backup.*)(\{.*\}) [1-9][0-9]*$/\1\2 N/'; }
# Nothing was pruned or checked yet: there is no sample of it.
t varve stats --prometheus | facts
# "last good prune per source": also of those that lose nothing by it.
quietly varve prune -q
quietly varve check -q
quietly varve add -q -s late -t 2021-01-01 d
t varve stats --prometheus | facts | grep -v '^#' | grep -E 'prune|check|unused|forgotten'
# "-o FILE written atomically"
mkdir out
t varve stats --prometheus -o out/varve.prom
ls out
stat -c %a out/varve.prom
rm -r out
t varve stats --prometheus -o out/varve.prom
ls -d out*
t varve stats -o file
t varve stats --prometheus --json
# A job that never ran: its policy is all there is of it.
quietly varve policy set ghost/x --max-age 1h
t varve stats --prometheus | grep ghost
t varve stats --prometheus --sources
