// An agent in node: usage: node storm.mjs PROGRAM COUNT cell|here. libuv forks; 32 at a time.
import { execFile } from 'node:child_process';
import { readlinkSync } from 'node:fs';

const [program, count, place] = process.argv.slice(2);
const own = readlinkSync('/proc/self/ns/mnt');
const total = Number(count);
let next = 0, wrong = 0, escaped = 0;

function one(number) {
  const options = { env: { ...process.env, STORM: `env-${number}` } };
  return new Promise(resolve => execFile(program, [`job-${number}`, ''], options, (error, out) => {
    const [name, env, ns] = String(out).trim().split(' ');
    if (error || name !== `job-${number}` || env !== `env-${number}`) {
      wrong++;
      console.error(`job ${number}: ${error} ${out}`);
    } else if ((ns === own) === (place === 'cell')) {
      escaped++;
    }
    resolve();
  }));
}

async function worker() {
  while (next < total) await one(next++);
}

await Promise.all(Array.from({ length: 32 }, worker));
console.log(`${total} commands: ${wrong} wrong, ${escaped} in the wrong place`);
process.exit(wrong + escaped ? 1 : 0);
