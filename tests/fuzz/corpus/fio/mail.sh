# the first mystery's mail
sudo cgcreate -g cpu:kubepods
sudo cgset -r cpu.weight=1000 kubepods
renice -n -10 -p $(pgrep kworker/11)
cgexec -g cpu:kubepods taskset -c 11 fio --name=write_iops --directory=/mnt/xfs --size=10G --time_based \
  --runtime=1m --ramp_time=10s --ioengine=libaio --direct=1 --verify=0 --bs=4K --iodepth=128 --rw=randwrite \
  --group_reporting=1 --iodepth_batch_submit=128 --iodepth_batch_complete_max=128
