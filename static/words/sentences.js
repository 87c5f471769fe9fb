/**
 * The server's own sentences in Korean: why it chose an engine, and why a model is missing. It says
 * them in English; a part that is not known here stays as it is.
 *
 * @type {[RegExp, string][]}
 */
const KOREAN = [
  [/^the configuration asks for it$/, "설정이 정했어요"],
  [/^the configuration names it$/, "설정이 정했어요"],
  [/^the configuration asks for (.+) at (.+)$/, "설정이 $2의 $1을(를) 쓰라고 해요"],
  [/^its models are there$/, "모델이 있어요"],
  [/^its voices are there$/, "목소리가 있어요"],
  [/^espeak-ng speaks (.+)$/, "$1 쪽은 espeak-ng가 말해요"],
  [/^no Whisper model could be had$/, "Whisper 모델을 구하지 못했어요"],
  [/^it knows English only, so calls in (.+) are not understood$/, "영어만 알아서 $1 통화는 알아듣지 못해요"],
  [/^PocketSphinx understands English only$/, "PocketSphinx는 영어만 알아들어요"],
  [/^no language model could be had$/, "언어 모델을 구하지 못했어요"],
  [/^no neural voice could be had$/, "신경망 목소리를 구하지 못했어요"],
  [/^no neural voice is known$/, "알려진 신경망 목소리가 없어요"],
  [/^the best known one for (\d+) CPU cores$/, "CPU 코어 $1개에 가장 맞는 모델이에요"],
  [/^the best known one for (.+)$/, "$1에 가장 맞는 모델이에요"],
  [/^it is in the models folder$/, "모델 폴더에 있어요"],
  [/^(\S+) did not start$/, "$1 엔진이 시작하지 못했어요"],
  [/^(\S+) does not answer \((.*)\)$/, "$1 서버가 답하지 않아요 ($2)"],
  [/^(\S+) has no (.+) \(404\)$/, "$1 서버에 $2이(가) 없어요 (404)"],
  [/^(.+) MB are needed and (.+) MB are free$/, "$1 MB가 필요한데 $2 MB만 비어 있어요"],
  [/^not in (.+)$/, "$1 폴더에 없어요"],
];

/**
 * @param {string} text sentences with "; " between them, each with a name and ": " before it or not
 */
export function inKorean(text) {
  return text.split("; ").map(sentence).join("; ");
}

/** @param {string} text */
function sentence(text) {
  const [, name = "", told] = /^(.*?: )?(.*)$/s.exec(text) ?? [];
  const [pattern, words] = KOREAN.find(([known]) => known.test(told)) ?? [];
  return pattern && words ? name + told.replace(pattern, words) : text;
}
