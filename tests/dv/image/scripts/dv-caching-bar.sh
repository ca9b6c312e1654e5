#!/bin/bash
# Of the simulator: notes that it was called.
echo "dv-caching-bar.sh $*" >>/mnt/marker_files/caching-calls
