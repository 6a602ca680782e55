// The makers' own libraries, as programs use them; sdk.mjs anthropic|openai
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const messages = [{ role: 'user', content: 'hello' }];
const ways = {
	anthropic: async () => {
		const client = new Anthropic({ maxRetries: 0 });
		const one = await client.messages.create({ model: 'lab', max_tokens: 10, messages });
		const stream = client.messages.stream({ model: 'lab', max_tokens: 10, messages });
		let text = '';
		for await (const event of stream)
			if (event.type === 'content_block_delta') text += event.delta.text;
		return `${one.content[0].text} ${text}`;
	},
	openai: async () => {
		const client = new OpenAI({ maxRetries: 0 });
		const one = await client.chat.completions.create({ model: 'lab', messages });
		const stream = await client.chat.completions.create({ model: 'lab', messages, stream: true });
		let text = '';
		for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
		return `${one.choices[0].message.content} ${text}`;
	},
};
for (const name of process.argv.slice(2)) {
	try {
		console.log(name, await ways[name]());
	} catch (e) {
		console.log(name, 'failed', e.status ?? '', e.message);
	}
}
