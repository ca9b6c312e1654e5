# "as the textfile collector of Prometheus' node_exporter reads it": Prometheus'
# own check has nothing to say of it.
[ -n "$(command -v promtool)" ] || skip "promtool is not installed"
tree d
quietly varve init
varve stats --prometheus | promtool check metrics && echo accepted: empty
quietly varve add -q -s a -t 2021-01-01 d
quietly varve add -q -s "$(printf 'b/"x\\\\y\377\303\244')" -t 2021-01-03 d
varve add -q -s cut --command sh -c 'tar cf - d; exit 1' 2>/dev/null
quietly varve policy set '*' --max-age 26h --keep-last 1
quietly varve prune -q
quietly varve check -q
varve stats --prometheus | promtool check metrics && echo accepted
