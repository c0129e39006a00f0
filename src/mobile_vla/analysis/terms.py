"""Names of factors, metrics, policies and units: (English, Korean)."""

from __future__ import annotations

FACTORS: dict[str, tuple[str, str]] = {
    "vlm": ("VLM", "VLM"),
    "initial_weights": ("initial weights", "초기 가중치"),
    "data_amount": ("data amount", "데이터 양"),
    "direction_balance": ("direction balance", "방향 균형"),
    "episodes_left": ("left episodes", "왼쪽 에피소드 수"),
    "episodes_right": ("right episodes", "오른쪽 에피소드 수"),
    "episodes_straight": ("straight episodes", "직진 에피소드 수"),
    "optimiser_steps": ("optimiser steps", "최적화 스텝 수"),
    "training_episodes": ("training episodes", "학습 에피소드"),
    "evaluation_scenes": ("evaluation scenes", "평가 장면"),
    "weights_as_loaded": ("weights as loaded", "불러온 가중치"),
    "packages": ("packages", "패키지"),
    "device": ("device", "장치"),
    "epochs": ("epochs", "에폭 수"),
    "validation_set": ("validation set", "검증 세트"),
    "evaluation_set": ("evaluation set", "평가 세트"),
    "seed": ("training seed", "학습 시드"),
    "code": ("code version", "코드 버전"),
    "profile": ("profile", "프로필"),
    "robot": ("robot and action units", "로봇과 행동 단위"),
    "host": ("host", "호스트"),
    "wall_time": ("wall time", "소요 시간"),
    "note": ("note", "메모"),
}
METRICS: dict[str, tuple[str, str]] = {
    "mae": ("MAE", "MAE"),
    "rmse": ("RMSE", "RMSE"),
    "direction_accuracy": ("direction accuracy", "방향 정확도"),
    "perfect_match": ("perfect match of keys", "키 완전 일치율"),
    "phase_start_mae": ("MAE at the start", "시작 구간 MAE"),
    "phase_middle_mae": ("MAE in the middle", "중간 구간 MAE"),
    "phase_end_mae": ("MAE at the end", "끝 구간 MAE"),
    "val_loss": ("validation loss", "검증 손실"),
    "success": ("success in rollouts", "롤아웃 성공률"),
    "success_left": ("success, left instruction", "성공률, 왼쪽 지시"),
    "success_right": ("success, right instruction", "성공률, 오른쪽 지시"),
    "success_rate": ("success in rollouts", "롤아웃 성공률"),
    "collision": ("collisions in rollouts", "롤아웃 충돌률"),
    "side": ("passed on the instructed side", "지시한 쪽으로 통과"),
    "swap_change": ("change under the other instruction", "지시를 바꿨을 때의 변화"),
    "swap_follows": ("follows the other instruction", "바뀐 지시를 따름"),
}
SERIES: dict[str, tuple[str, str]] = {
    "policy": ("policy", "정책"),
    "mean_action": ("mean action", "평균 행동"),
    "replay": ("replay by step", "스텝별 재생"),
    "replay_by_step": ("replay by step", "스텝별 재생"),
    "replay_by_step_and_instruction": (
        "replay by step and instruction",
        "스텝과 지시별 재생",
    ),
    "nearest_neighbour": ("nearest training frame", "가장 가까운 학습 프레임"),
    "blind": ("blind (no image)", "이미지 없음"),
    "deaf": ("deaf (no instruction)", "지시 없음"),
}
UNITS: dict[str, str] = {"1": "", "": "", "ratio": "", "share": ""}
