// A call with a Chuimsae server. flutter pub add flutter_webrtc http connectivity_plus
import 'dart:async';
import 'dart:convert';

import 'package:connectivity_plus/connectivity_plus.dart';
import 'package:flutter_webrtc/flutter_webrtc.dart';
import 'package:http/http.dart' as http;

/// [key]: a client secret (`ek_…`) that your backend asked for.
class Call {
  Call({required this.server, required this.key, required this.onEvent, required this.onEnd});

  final Uri server;
  final String key;
  final void Function(Map<String, dynamic>) onEvent;
  final void Function() onEnd;

  late final MediaStream _microphone;
  _Link? _link;
  String _place = ''; // /v1/realtime/calls/ID
  String _token = '';
  double _keptFor = 0; // Seconds.
  int _received = 0;
  bool _isResuming = false;
  List<ConnectivityResult>? _network;
  StreamSubscription<List<ConnectivityResult>>? _networks;

  /// Asks for the microphone. Throws when it is refused, or the server says no.
  Future<void> dial() async {
    _microphone = await navigator.mediaDevices.getUserMedia({
      'audio': {'echoCancellation': true, 'noiseSuppression': true, 'autoGainControl': true},
    });
    final link = _link = await _newLink();
    final answer = await _post('/v1/realtime/calls', key, await link.offer());
    _place = answer.headers['location'] ?? '';
    _token = answer.headers['chuimsae-resume-token'] ?? '';
    _keptFor = double.parse(answer.headers['chuimsae-resume-within'] ?? '0');
    await link.accept(answer.body);
    _networks = Connectivity().onConnectivityChanged.listen((now) {
      final before = _network;
      _network = now;
      final isThere = !now.contains(ConnectivityResult.none);
      if (before != null && isThere && before.toString() != now.toString()) _resume();
    });
  }

  void mute(bool isMuted) {
    for (final track in _microphone.getAudioTracks()) {
      track.enabled = !isMuted;
    }
  }

  void send(Map<String, dynamic> event) => _link?.send(event);

  void interrupt() => send({'type': 'output_audio_buffer.clear'});

  Future<void> hangUp() async {
    await _post('$_place/hangup', _token, '').then<void>((_) {}, onError: (_) {});
    await _close();
  }

  /// Goes on over a new connection, tried for as long as the server keeps the call.
  Future<void> _resume() async {
    if (_isResuming || _token.isEmpty) return;
    _isResuming = true;
    final former = _link;
    final end = DateTime.now().add(Duration(milliseconds: (_keptFor * 1000).round()));
    var isBack = false;
    while (!isBack && DateTime.now().isBefore(end)) {
      isBack = await _attempt();
      if (!isBack) await Future<void>.delayed(const Duration(milliseconds: 700));
    }
    await former?.close();
    _isResuming = false;
    if (!isBack) await _close();
  }

  Future<bool> _attempt() async {
    final next = await _newLink();
    try {
      final path = '$_place/resume?received=$_received';
      final answer = await _post(path, _token, await next.offer());
      _link = next; // Its events count from here on, the former's no longer.
      await next.accept(answer.body);
      return await next.connected.future.timeout(const Duration(seconds: 6), onTimeout: () => false);
    } on Exception {
      await next.close();
      return false;
    }
  }

  Future<void> _close() async {
    await _networks?.cancel();
    await _link?.close();
    for (final track in _microphone.getTracks()) {
      await track.stop();
    }
    onEnd();
  }

  Future<_Link> _newLink() async {
    final link = await _Link.open(await _iceServers(), _microphone);
    link.onMessage = (event) {
      if (!identical(link, _link)) return;
      _received += 1;
      onEvent(event);
    };
    link.onBroken = _resume;
    return link;
  }

  Future<List<dynamic>> _iceServers() async {
    try {
      final told = await http.get(server.resolve('/ice'), headers: {'Authorization': 'Bearer $key'});
      return (jsonDecode(told.body) as Map<String, dynamic>)['ice_servers'] as List<dynamic>? ?? [];
    } on Exception {
      return [];
    }
  }

  Future<http.Response> _post(String path, String key, String sdp) async {
    final headers = {'Authorization': 'Bearer $key', 'Content-Type': 'application/sdp'};
    // As bytes: of a string, http would add a charset.
    final body = utf8.encode(sdp);
    final answer = await http.post(server.resolve(path), headers: headers, body: body);
    if (answer.statusCode >= 300) throw Exception('${answer.statusCode}: ${answer.body}');
    return answer;
  }
}

/// One connection of the call.
class _Link {
  _Link(this._peer, this._channel);

  final RTCPeerConnection _peer;
  final RTCDataChannel _channel;
  final connected = Completer<bool>();
  final _gathered = Completer<void>();
  void Function(Map<String, dynamic>) onMessage = (_) {};
  void Function() onBroken = () {};

  static Future<_Link> open(List<dynamic> iceServers, MediaStream microphone) async {
    final peer = await createPeerConnection({'iceServers': iceServers, 'sdpSemantics': 'unified-plan'});
    for (final track in microphone.getAudioTracks()) {
      await peer.addTrack(track, microphone);
    }
    final link = _Link(peer, await peer.createDataChannel('oai-events', RTCDataChannelInit()));
    link._listen();
    return link;
  }

  void _listen() {
    _channel.onMessage = (message) => onMessage(jsonDecode(message.text) as Map<String, dynamic>);
    _peer.onIceGatheringState = (state) {
      final isDone = state == RTCIceGatheringState.RTCIceGatheringStateComplete;
      if (isDone && !_gathered.isCompleted) _gathered.complete();
    };
    _peer.onConnectionState = (state) {
      final isUp = state == RTCPeerConnectionState.RTCPeerConnectionStateConnected;
      if (isUp && !connected.isCompleted) connected.complete(true);
      if (state == RTCPeerConnectionState.RTCPeerConnectionStateFailed && connected.isCompleted) onBroken();
    };
  }

  Future<String> offer() async {
    await _peer.setLocalDescription(await _peer.createOffer());
    // Candidates of the first second go along.
    await _gathered.future.timeout(const Duration(seconds: 1), onTimeout: () {});
    return (await _peer.getLocalDescription())!.sdp!;
  }

  Future<void> accept(String sdp) => _peer.setRemoteDescription(RTCSessionDescription(sdp, 'answer'));

  void send(Map<String, dynamic> event) => _channel.send(RTCDataChannelMessage(jsonEncode(event)));

  Future<void> close() {
    onBroken = () {};
    return _peer.close();
  }
}
