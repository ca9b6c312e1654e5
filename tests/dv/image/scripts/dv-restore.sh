#!/bin/bash
# What the image of the simulator does for a restore.
versioned=/mnt/PV/versioned bar=/mnt/PV/bar marker=/mnt/marker_files/.bar
fault() { # STEP
	while [ -e /opt/dv/faults/hang-"$1" ]; do
		echo "hanging at $1"
		sleep 0.3
	done
	[ ! -e /opt/dv/faults/"$1" ] || {
		echo "Operation failed: at $1"
		# one with words in it comes once
		[ ! -s /opt/dv/faults/"$1" ] || sudo rm /opt/dv/faults/"$1"
		exit 1
	}
}
echo "Stop DV components"
sudo touch $marker
fault marker
sudo cp $bar/"$DV_BACKUP_FILE" $versioned/restore.tar.gz || exit 1
fault copied
cd /tmp && work=$(mktemp -d) && cd "$work" || exit 1
sudo rm -rf $versioned/engine $versioned/metastore
sudo mkdir $versioned/metastore
tar xzf $versioned/restore.tar.gz || exit 1
sudo tar -C $versioned/metastore --numeric-owner -xpzf \
	dv_backup_dv_metastore.tar.gz || exit 1
fault half
sudo tar -C $versioned --numeric-owner -xpzf dv_backup_dv_engine.tar.gz ||
	exit 1
sudo rm -f $versioned/restore.tar.gz
cd / && rm -rf "$work"
sudo touch /mnt/marker_files/.bar_restored.txt
echo "Start DV components"
sudo rm -f $marker
echo "Restore is done"
