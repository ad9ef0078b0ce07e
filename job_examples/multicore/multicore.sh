# One worker for each core the job was given (the first argument); each counts by itself, then all is added up.
set -eu
cd /app
cores=${ARGS:-1}
worker() {
    i=0
    while [ "$i" -lt 200000 ]; do i=$((i + 1)); done
    echo "$i" > "part.$1"
}
n=1
while [ "$n" -le "$cores" ]; do
    worker "$n" &
    n=$((n + 1))
done
wait
cat part.* | awk '{ sum += $1 } END { print NR, "workers counted to", sum }' > total.txt
cat total.txt
rm -f part.*
