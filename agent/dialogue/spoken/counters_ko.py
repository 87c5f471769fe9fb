"""Which numerals a Korean counter takes, and how written units are said."""

from __future__ import annotations

NATIVE = tuple(
    "번째 시간 사람 마리 그루 송이 켤레 가지 군데 조각 봉지 상자 박스 접시 그릇 다발 모금 방울 "
    "자루 걸음 바퀴 자리 스푼 숟갈 가닥 가구 포기 꾸러미 묶음 뼘 돈 "
    "개 명 살 시 번 권 장 잔 병 대 벌 채 척 통 곳 달 컵 쌍 줄 칸 알 끼 판 팩 건 배 편 곡 캔".split()
)
"""Counters of native numerals, as in 세 개."""
SINO = tuple(
    "인분 개월 주일 학년 퍼센트 페이지 킬로 년도 년대 세기 달러 유로 엔 위안 파운드 번지 호선 "
    "번길 주년 교시 시즌 "
    "년 월 일 분 초 원 층 호 주 차 회 점 위 등 급 도 쪽 조 항 반 기 세 박 단계 단 인 번 동".split()
)
"""Counters of Sino-Korean numerals, as in 삼 층."""
NAMED_BY_NUMBER = (
    "출구|버스|창구|선수|문제|게이트|홈|노선|국도|테이블|메뉴|버튼|채널|방|승강장|트랙|레인"
    "|고객|항목"
)
"""Before these, 번 names by number (삼 번 출구) and does not count times (세 번)."""
NOT_COUNTERS = {
    "시": ("시간", "시즌", "시리즈"),
    "대": ("대로", "대학", "대비", "대한", "대째"),
    "명": ("명령",),
    "장": ("장소",),
    "개": ("개월", "개년"),
    "번": ("번째", "번길", "번지"),
    "달": ("달러",),
    "곳": (),
}
"""Where a counter's syllables begin another word."""
UNITS = {
    "km/h": "킬로미터",
    "km²": "제곱킬로미터",
    "m²": "제곱미터",
    "m³": "세제곱미터",
    "m/s": "미터 매 초",
    "km": "킬로미터",
    "cm": "센티미터",
    "mm": "밀리미터",
    "m": "미터",
    "kg": "킬로그램",
    "mg": "밀리그램",
    "g": "그램",
    "ml": "밀리리터",
    "mL": "밀리리터",
    "L": "리터",
    "l": "리터",
    "TB": "테라바이트",
    "GB": "기가바이트",
    "MB": "메가바이트",
    "KB": "킬로바이트",
    "Mbps": "메가비피에스",
    "GHz": "기가헤르츠",
    "MHz": "메가헤르츠",
    "kHz": "킬로헤르츠",
    "Hz": "헤르츠",
    "kWh": "킬로와트시",
    "kW": "킬로와트",
    "W": "와트",
    "V": "볼트",
    "mAh": "밀리암페어시",
    "kcal": "킬로칼로리",
    "%p": "퍼센트포인트",
    "%": "퍼센트",
    "ms": "밀리초",
}
LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "에이 비 씨 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 "
        "더블유 엑스 와이 지".split(),
        strict=True,
    )
)
