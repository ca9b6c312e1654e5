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
unset VARVE_STORE
t varve init
