# "Where it fails, the snapshot is kept but marked incomplete; it is never
# taken for a good one."
tree d
quietly varve init
t varve add -s c -t 2021-01-01 --command tar -C d --sort=name -cf - .
t varve add -s c -t 2021-01-02 --command sh -c 'tar -C d --sort=name -cf - .; exit 3'
t varve add -s c -t 2021-01-03 --command sh -c 'tar -C d --sort=name -cf - .; kill -9 $$'
t varve list
t varve ls c
t varve list --notes c@2021-01-02T00-00-00Z
t varve restore c@2021-01-02T00-00-00Z out
t varve restore -q --incomplete c@2021-01-02T00-00-00Z out
find out | sort
t varve add -s c --command no-such-command-here
t varve add -s c --command false
t varve add -s c --command sh -c 'echo no archive; exit 2'
t varve add --command true
t varve add -s c --command true
t varve add -s c d --command true
t varve add -s c --command
# What failed is named first, whatever it wrote before; one that goes on for
# ever is not waited for.
t varve add -s c -k tar --command sh -c 'echo no archive; sleep 0.2; exit 3'
t varve add -s c --command sh -c 'echo no archive'
t timeout 20 varve add -s c --command yes
# A dump, as the manual has it.
t varve add -s db -t 2021-01-01 --command bash -o pipefail -c 'seq 70001 75000 | gzip -n1'
varve ls db
varve add -q -s db -t 2021-01-02 --command bash -o pipefail -c '(seq 70001 75000; exit 4) | gzip -n1'
