// Prints the bodies of addresses; fetch.mjs https|fetch|http2 ADDRESS...
import https from 'node:https';
import http2 from 'node:http2';

const collect = (stream) => new Promise((done, fail) => {
	let text = '';
	stream.setEncoding('utf8');
	stream.on('data', (d) => { text += d; });
	stream.on('end', () => done(text));
	stream.on('error', fail);
});
const ways = {
	https: (address) => new Promise((done, fail) => {
		https.get(address, (r) => collect(r).then(done, fail)).on('error', fail);
	}),
	fetch: async (address) => (await fetch(address)).text(),
	http2: (address) => new Promise((done, fail) => {
		const url = new URL(address);
		const session = http2.connect(url.origin);
		session.on('error', fail);
		const stream = session.request({ ':path': url.pathname });
		collect(stream).then((text) => { session.close(); done('h2 ' + text); }, fail);
	}),
};
for (const address of process.argv.slice(3)) {
	try {
		console.log(await ways[process.argv[2]](address));
	} catch (e) {
		console.log('failed', e.code ?? '', e.message, e.cause?.message ?? '');
	}
}
