# Plain names for input and output, though BOINC has linked them into the project's directory.
set -eu
cd /app
wc -w < words.txt > count.txt
sort words.txt > sorted.txt
mkdir -p scratch
cp words.txt scratch/copy.txt
echo "counted $(cat count.txt) words"
