/* Proves that packets which the cell's rules refused are read whatever is in them. */
#include "base/cleanup.h"
#include "proxy/nflog.h"
#include "tap.h"
#include "wire/proxymsg.h"

#include <stdlib.h>
#include <sys/socket.h>

static struct proxymsg msg;

static bool read_packet(const void *bytes, size_t n)
{
	AUTO_FREE uint8_t *exact = malloc(n > 0 ? n : 1);

	memcpy(exact, bytes, n);
	return nflog_read_packet(exact, n, &msg);
}

/* 198.18.0.1:40000 to 1.2.3.4:443, SYN. */
static const uint8_t syn4[40] = { 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 18, 0, 1, 1, 2, 3,
	4, 0x9c, 0x40, 1, 0xbb, [32] = 0x50, 2 };

int main(void)
{
	uint8_t p[80];
	unsigned seed = 5;
	bool sane = true;

	tap_ok(read_packet(syn4, sizeof(syn4)), "a SYN");
	tap_is(msg.host, "1.2.3.4", "its host");
	tap_ok(msg.port == 443 && msg.server_port == 443 && msg.client_port == 40000 &&
			msg.client[0] == 198 && msg.family == AF_INET,
		"ports and addresses");
	tap_ok(proxymsg_is_valid(&msg, sizeof(msg)), "a valid report");
	memcpy(p, syn4, sizeof(syn4));
	p[33] = 0x12;
	tap_ok(!read_packet(p, 40), "a SYN-ACK is none");
	p[33] = 4;
	tap_ok(!read_packet(p, 40), "nor a reset");
	p[9] = 17;
	tap_ok(read_packet(p, 40), "UDP is");
	p[16] = 224;
	tap_ok(!read_packet(p, 40), "but not to a multicast group");
	p[16] = 1;
	p[9] = 1;
	tap_ok(!read_packet(p, 40), "nor ICMP");
	memcpy(p, syn4, sizeof(syn4));
	p[0] = 0x44;
	tap_ok(!read_packet(p, 40), "a header of 16 bytes");
	p[0] = 0x4f;
	tap_ok(!read_packet(p, 40), "a header longer than the packet");
	for (size_t n = 0; n < sizeof(syn4); n++)
		sane = sane && (!read_packet(syn4, n) || n >= 34);
	tap_ok(sane, "cut anywhere");
	memset(p, 0, sizeof(p));
	p[0] = 0x60;
	p[6] = 6;
	p[24] = 0x20, p[25] = 1, p[39] = 1;
	p[42] = 0, p[43] = 80, p[53] = 2;
	tap_ok(read_packet(p, 60) && msg.port == 80 && msg.family == AF_INET6, "IPv6");
	tap_is(msg.host, "2001::1", "its host");
	for (int round = 0; round < 50000; round++) {
		for (size_t i = 0; i < sizeof(p); i++) {
			seed = seed * 1103515245u + 12345u;
			p[i] = (uint8_t)(seed >> 24);
		}
		p[0] = (uint8_t)(round % 2 == 0 ? 0x40 | (p[0] & 15) : 0x60);
		p[9] = 6;
		if (read_packet(p, seed % sizeof(p)))
			sane = sane && proxymsg_is_valid(&msg, sizeof(msg));
	}
	tap_ok(sane, "50,000 random packets");
	return tap_done();
}
