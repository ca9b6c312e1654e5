tree d
quietly varve init
quietly varve add -q -s a -t 2021-01-01 d
quietly varve add -q -s b -t 2021-01-01 d
t varve stats | sed -E '/stored|catalog|ratio|objects/s/ +[0-9].*/ X/'
t varve stats a | sed -E 's/([KM]iB) +[0-9.]+ [KM]iB +[0-9.]+ /\1 NEW RATIO /; s/NEW +RATIO/NEW RATIO/'
t varve stats nosuch
t varve stats --json | tr ',' '\n' | grep -E 'sources|snapshots|files|"bytes'
t varve sql 'SELECT source, name, files, bytes, incomplete FROM v_snapshot ORDER BY source'
t varve sql --csv "SELECT 'a,b' AS x, 'say \"hi\"' AS y, NULL AS z"
t varve sql --json 'SELECT source, files, 1.5 AS f, NULL AS n FROM v_snapshot ORDER BY source'
t varve sql 'DELETE FROM snapshot'
t varve sql 'SELECT nothing'
t varve sql "ATTACH 'x' AS y"
t varve sql
