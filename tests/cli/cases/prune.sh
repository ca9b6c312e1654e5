# noise SEED BYTES: what no compression makes smaller.
noise() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf %032d "$1")" -iv 0 \
		</dev/zero 2>/dev/null | head -c "$2"
}
packs() { find store/packs -type f | wc -l | tr -d ' '; }
plain() { sed -E 's/[0-9.]+ (B|[KM]iB)/SIZE/g; s/forgotten 20[0-9TZ-]+ by/forgotten TIME by/g; s/[0-9]+ objects/N objects/'; }
quietly varve init
mkdir d
for i in 1 2 3 4; do
	rm -f d/new*
	noise "$i" 400000 >"d/kept$i"
	noise "9$i" 600000 >"d/new$i"
	quietly varve add -q -s a -t "2021-01-0$i" d
done
t varve prune
t varve forget -q a@2021-01-01 a@2021-01-02
t varve prune -n --max-unused 0 2>&1 | plain
t varve undelete a@2021-01-02
t varve prune --max-unused 0 2>&1 | plain
t varve list --all --names
t varve undelete a@2021-01-01
t varve check --read-data 2>&1 | plain
t varve verify a@2021-01-02
t varve forget --keep-last 1 --prune --max-unused 0 2>&1 | plain
t varve forget --keep-last 1 --prune --force --max-unused 0 2>&1 | plain
t varve verify a
t varve prune --json | sed -E 's/[0-9]{4,}/N/g'
t varve prune --max-unused 5
t varve prune --max-unused x%
t varve prune --max-unused 101%
t varve forget --keep-last 1 --prune --max-unused none
t varve prune extra
t varve log | sed -E 's/^[0-9-]+ [0-9:]+/TIME/' 2>&1 | plain
# A number is not given again, whatever is gone.
t varve forget -q a@2021-01-04
t varve prune -q --force
t varve list --all
t packs
t varve add -q -s a -t 2021-01-04 d
t varve sql 'SELECT number, name FROM v_snapshot'
