t varve init
t ls store
stat -c '%a' store store/varve.conf store/packs
t varve init
mkdir full
echo x >full/x
t varve init full
t varve init --store other
t varve init third
t varve list --store third
t varve list --store nowhere
# A store in a store would be taken for part of it, by who moves or cleans it.
t varve init store/packs/inner
mkdir -p store/tmp/deep/er
t varve init store/tmp/deep/er/inner
t varve init store/tmp/deep/er
(cd store/snapshots && t varve init ./here)
ln -s store/tmp/deep short
t varve init short/inner
ls store/snapshots store/tmp/deep/er
rm -r store/tmp/deep
unset VARVE_STORE
t varve init
