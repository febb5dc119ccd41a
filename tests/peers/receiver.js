// A receiver of the package iobroker.sia, for what larm sends.
//
// usage: node receiver.js PACKAGE_DIRECTORY
//
// Prints `port TCP UDP`, then one JSON object for each message that the package accepts and
// answers with ACK, or {"error"} for one that it refuses, until its standard input ends.
'use strict';
const path = require('path');
const { sia } = require(path.join(process.argv[2], 'build', 'lib', 'sia.js'));

// Port 0: the package passes it on, the real ones are read from its sockets.
const server = new sia({ host: '127.0.0.1', port: 0, timeout: 20 });
server.setAccounts([
  { accountnumber: '4001', aes: false },
  { accountnumber: '4128', aes: true, hex: true, password: '00112233445566778899AABBCCDDEEFF' },
  { accountnumber: '4192', aes: true, hex: true,
    password: '0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF' },
  { accountnumber: '4256', aes: true, hex: true,
    password: '603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4' },
]);
server.on('sia', (message, error) => {
  const told = message
    ? { account: message.act, id: message.id, sequence: message.seq, line: message.lpref,
        data: message.data_message, extended: message.data_extended, time: message.ts !== '' }
    : { error: String(error) };
  process.stdout.write(`${JSON.stringify(told)}\n`);
});

let waiting = 2;
const listening = () => {
  waiting -= 1;
  if (waiting === 0) {
    process.stdout.write(
      `port ${server.servertcp.address().port} ${server.serverudp.address().port}\n`);
  }
};
server.servertcp.on('listening', listening);
server.serverudp.on('listening', listening);
server.serverStartTCP();
server.serverStartUDP();
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
