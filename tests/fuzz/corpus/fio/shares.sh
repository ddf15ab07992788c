mkdir /sys/fs/cgroup/cpu/g; echo 10240 > /sys/fs/cgroup/cpu/g/cpu.shares
echo 2 > /sys/block/vda/queue/rq_affinity
sh -c 'echo $$ > /sys/fs/cgroup/cpu/g/tasks; exec taskset -c 1 fio --name=w --directory=D --size=512M --time_based --runtime=5 --ioengine=libaio --direct=1 --bs=4k --iodepth=32 --iodepth_batch_submit=32 --iodepth_batch_complete_max=32 --rw=randwrite' 2>&1 | tee log
